package main

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/record"
)

// recorded has both recorders of client-go tell the same thing several times.
func recorded(ctx context.Context, hub *hub) (facts, error) {
	if err := hub.namespace(ctx, "events"); err != nil {
		return nil, err
	}
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "m"}}
	about, err := hub.core.CoreV1().ConfigMaps("events").
		Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	recording, end := context.WithCancel(ctx)
	defer end()
	today := events.NewBroadcaster(&events.EventSinkImpl{Interface: hub.core.EventsV1()})
	defer today.Shutdown()
	if err := today.StartRecordingToSinkWithContext(recording); err != nil {
		return nil, err
	}
	before := record.NewBroadcaster(record.WithContext(recording))
	defer before.Shutdown()
	before.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: hub.core.CoreV1().Events("")})
	recorder := today.NewRecorder(scheme.Scheme, "example.com/goclient")
	legacy := before.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "goclient"})
	for range 2 {
		recorder.Eventf(about, nil, corev1.EventTypeNormal, "Tried", "Trying", "it was tried")
		legacy.Event(about, corev1.EventTypeWarning, "Failed", "it failed")
	}
	seen := facts{}
	err = eventually(ctx, func(ctx context.Context) error { return counted(ctx, hub, about, seen) })
	seen["strategic"] = hub.sent.count(func(sent request) bool {
		return sent.method == "PATCH" && strings.Contains(sent.contentType, "strategic-merge-patch")
	})
	return seen, err
}

// counted reads what was told of an object as kubectl describes it, and how often.
func counted(ctx context.Context, hub *hub, about *corev1.ConfigMap, seen facts) error {
	found, err := hub.core.CoreV1().Events("events").
		SearchWithContext(ctx, scheme.Scheme, about)
	if err != nil {
		return err
	}
	clear(seen)
	for _, event := range found.Items {
		times := int(event.Count)
		if event.Series != nil {
			times = int(event.Series.Count)
		}
		seen[event.Reason] = times
	}
	for _, reason := range []string{"Tried", "Failed"} {
		if seen[reason] != 2 {
			return fmt.Errorf("two times each were told: %v", seen)
		}
	}
	return nil
}
