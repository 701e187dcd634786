package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// informed has informers follow kinds of Kubernetes and of the fleet: what is empty is synced, and
// nothing is missed of what many write at once.
func informed(ctx context.Context, hub *hub) (facts, error) {
	for _, name := range []string{"quiet", "busy"} {
		if err := hub.namespace(ctx, name); err != nil {
			return nil, err
		}
	}
	// What informers send is counted apart from what is written and compared.
	follower, err := clientsOf(hub.config)
	if err != nil {
		return nil, err
	}
	took, empty, err := quiet(ctx, follower)
	if err != nil {
		return nil, err
	}
	written, err := busy(ctx, hub, follower)
	if err != nil {
		return nil, err
	}
	return facts{
		"syncedMillis": took.Milliseconds(), "empty": empty, "written": written,
		"lists":   follower.sent.count(isList),
		"streams": follower.sent.count(isStream),
		"watches": follower.sent.count(isWatch),
	}, nil
}

// quiet has informers of a namespace without objects, and of a fleet without clusters, synced;
// answers how long that took, and of how many kinds.
func quiet(ctx context.Context, hub *hub) (time.Duration, int, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	factory := informers.NewSharedInformerFactoryWithOptions(hub.core, 0,
		informers.WithNamespace("quiet"))
	core, rbac := factory.Core().V1(), factory.Rbac().V1()
	all := []cache.SharedIndexInformer{
		core.Secrets().Informer(), core.ConfigMaps().Informer(),
		core.ServiceAccounts().Informer(), rbac.Roles().Informer(), rbac.RoleBindings().Informer(),
		factory.Coordination().V1().Leases().Informer(), factory.Events().V1().Events().Informer(),
	}
	fleet := dynamicinformer.NewDynamicSharedInformerFactory(hub.dynamic, 0)
	for _, kind := range []schema.GroupVersionResource{clusters, placements} {
		all = append(all, fleet.ForResource(kind).Informer())
	}
	began := time.Now()
	factory.Start(ctx.Done())
	fleet.Start(ctx.Done())
	if err := synced(ctx, all); err != nil {
		return 0, 0, err
	}
	took := time.Since(began)
	for _, informer := range all {
		if held := informer.GetStore().List(); len(held) > 0 {
			return took, 0, fmt.Errorf("of what is empty something was told: %v", held)
		}
	}
	return took, len(all), nil
}

// synced waits until informers hold what there is.
func synced(ctx context.Context, all []cache.SharedIndexInformer) error {
	waiting, end := context.WithTimeout(ctx, soon)
	defer end()
	for _, informer := range all {
		if !cache.WaitForCacheSync(waiting.Done(), informer.HasSynced) {
			return fmt.Errorf("an informer was not synced within %v", soon)
		}
	}
	return nil
}

// followed is a kind with an informer, and what that told.
type followed struct {
	kind     schema.GroupVersionResource
	client   dynamic.ResourceInterface
	informer cache.SharedIndexInformer
	journal  *journal
	// owed is what it has yet to tell.
	owed []string
}

// follows has informers of kinds in a namespace: typed ones of those of Kubernetes, dynamic ones of
// those of the fleet. They are written by others.
func follows(
	ctx context.Context, writer, follower *hub, namespace string,
	kinds ...schema.GroupVersionResource,
) ([]*followed, error) {
	core := informers.NewSharedInformerFactoryWithOptions(follower.core, 0,
		informers.WithNamespace(namespace))
	fleet := dynamicinformer.NewDynamicSharedInformerFactory(follower.dynamic, 0)
	var all []*followed
	for _, kind := range kinds {
		one := &followed{kind: kind, client: writer.dynamic.Resource(kind).Namespace(namespace)}
		if kind == clusters {
			one.client = writer.dynamic.Resource(kind)
		}
		if of, err := core.ForResource(kind); err == nil {
			one.informer = of.Informer()
		} else {
			one.informer = fleet.ForResource(kind).Informer()
		}
		journal, err := follow(one.informer)
		if err != nil {
			return nil, err
		}
		one.journal = journal
		all = append(all, one)
	}
	core.Start(ctx.Done())
	fleet.Start(ctx.Done())
	return all, nil
}

func informersOf(all []*followed) []cache.SharedIndexInformer {
	var informers []cache.SharedIndexInformer
	for _, one := range all {
		informers = append(informers, one.informer)
	}
	return informers
}

// busy begins to follow while others write, and goes on while they write more; answers how many
// writes there were.
func busy(ctx context.Context, hub, follower *hub) (int, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	began := make(chan error, 1)
	go func() {
		early := hub.dynamic.Resource(configMaps).Namespace("busy")
		_, err := load(ctx, early, configMaps, "early", 8, 12)
		began <- err
	}()
	all, err := follows(ctx, hub, follower, "busy",
		configMaps, secrets, leases, clusters, placements)
	if err != nil {
		return 0, err
	}
	if err := synced(ctx, informersOf(all)); err != nil {
		return 0, err
	}
	written, err := waves(ctx, all, "late", 4, 6)
	if err != nil {
		return 0, err
	}
	if err := <-began; err != nil {
		return 0, err
	}
	for _, one := range all {
		err := eventually(ctx, func(ctx context.Context) error {
			return holds(ctx, one.client, one.informer.GetStore())
		})
		if err != nil {
			return 0, fmt.Errorf("%s: %w", one.kind.Resource, err)
		}
	}
	return written, nil
}

// waves writes all kinds at once and waits until every version was told.
func waves(ctx context.Context, all []*followed, name string, writers, each int) (int, error) {
	type wave struct {
		of     *followed
		wanted []string
		err    error
	}
	done := make(chan wave)
	for _, one := range all {
		go func() {
			wanted, err := load(ctx, one.client, one.kind, name, writers, each)
			done <- wave{one, wanted, err}
		}()
	}
	written := 0
	var failed error
	for range all {
		wave := <-done
		written += len(wave.wanted)
		if wave.err == nil {
			wave.err = eventually(ctx, func(context.Context) error {
				return missed(wave.of.journal, wave.wanted)
			})
		}
		if wave.err != nil && failed == nil {
			failed = fmt.Errorf("%s: %w", wave.of.kind.Resource, wave.err)
		}
	}
	return written, failed
}
