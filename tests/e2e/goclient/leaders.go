package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// election is who led, in order, and whether two ever did at once.
type election struct {
	mutex   sync.Mutex
	led     []string
	leading int
	twice   bool
}

func (e *election) begins(who string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.led = append(e.led, who)
	e.leading++
	e.twice = e.twice || e.leading > 1
}

func (e *election) ends() {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.leading--
}

// has is whether somebody has led.
func (e *election) has(who string) error {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if slices.Contains(e.led, who) {
		return nil
	}
	return fmt.Errorf("%s has not led", who)
}

// more is whether more than so many have led.
func (e *election) more(than int) error {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if len(e.led) > than {
		return nil
	}
	return fmt.Errorf("after %v nobody leads", e.led)
}

// stand has somebody stand for election until the context ends.
func (e *election) stand(ctx context.Context, hub *hub, who string) (<-chan struct{}, error) {
	lock := &resourcelock.LeaseLock{
		LeaseMeta: metav1.ObjectMeta{Namespace: "leaders", Name: "leader"},
		Client:    hub.core.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{
			Identity: who,
		},
	}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, ReleaseOnCancel: true, Name: who,
		LeaseDuration: 6 * time.Second, RenewDeadline: 4 * time.Second,
		RetryPeriod: 200 * time.Millisecond,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { e.begins(who) },
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		elector.Run(ctx)
	}()
	return ended, nil
}

// leaders has three stand for election by a lease, one after the other: each leads until it gives
// the lease away.
func leaders(ctx context.Context, hub *hub) (facts, error) {
	if err := hub.namespace(ctx, "leaders"); err != nil {
		return nil, err
	}
	held := &election{}
	all := []string{"a", "b", "c"}
	var ends []context.CancelFunc
	var ended []<-chan struct{}
	for _, who := range all {
		standing, end := context.WithCancel(ctx)
		defer end()
		done, err := held.stand(standing, hub, who)
		if err != nil {
			return nil, err
		}
		ends, ended = append(ends, end), append(ended, done)
		// Who comes first leads first; the others wait for the lease.
		if who == "a" {
			if err := eventually(ctx, func(context.Context) error { return held.has(who) }); err != nil {
				return nil, err
			}
		}
	}
	for range all {
		held.mutex.Lock()
		leader, number := held.led[len(held.led)-1], len(held.led)
		held.mutex.Unlock()
		held.ends()
		at := slices.Index(all, leader)
		ends[at]()
		<-ended[at]
		if number == len(all) {
			break
		}
		if err := eventually(ctx, func(context.Context) error { return held.more(number) }); err != nil {
			return nil, err
		}
	}
	lease, err := hub.core.CoordinationV1().Leases("leaders").
		Get(ctx, "leader", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	led := slices.Sorted(slices.Values(held.led))
	return facts{
		"led": led, "twice": held.twice, "holder": lease.Spec.HolderIdentity,
		"transitions": lease.Spec.LeaseTransitions,
	}, nil
}
