package main

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/pager"
)

// many is how many objects there are to be read in pages: more than fit in two of a pager's own.
const many = 1_100

// pages reads many objects with a pager while more are made, and has an informer read them.
func pages(ctx context.Context, hub *hub) (facts, error) {
	if err := hub.namespace(ctx, "pages"); err != nil {
		return nil, err
	}
	if err := fill(ctx, hub, "m", many); err != nil {
		return nil, err
	}
	reader, err := clientsOf(hub.config)
	if err != nil {
		return nil, err
	}
	configMaps := reader.core.CoreV1().ConfigMaps("pages")
	wholes := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return configMaps.List(ctx, o)
	})
	names := map[string]bool{}
	later := 0
	err = wholes.EachListItem(ctx, metav1.ListOptions{}, func(object runtime.Object) error {
		// What comes while pages are read is on none of them.
		if len(names) == 0 {
			later++
			if err := fill(ctx, hub, "a-later", 1); err != nil {
				return err
			}
		}
		names[object.(*corev1.ConfigMap).Name] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	lists := reader.sent.count(isList)
	held, err := informedOf(ctx, reader)
	if err != nil {
		return nil, err
	}
	return facts{
		"read": len(names), "pages": lists, "held": held, "later": later,
		"informerPages":   reader.sent.count(isList) - lists,
		"informerStreams": reader.sent.count(isStream),
	}, nil
}

// informedOf is how many objects an informer holds once it is synced.
func informedOf(ctx context.Context, reader *hub) (int, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	factory := informers.NewSharedInformerFactoryWithOptions(reader.core, 0,
		informers.WithNamespace("pages"))
	informer := factory.Core().V1().ConfigMaps().Informer()
	factory.Start(ctx.Done())
	if err := synced(ctx, []cache.SharedIndexInformer{informer}); err != nil {
		return 0, err
	}
	return len(informer.GetStore().List()), nil
}

// fill makes objects, some at a time.
func fill(ctx context.Context, hub *hub, base string, wanted int) error {
	const writers = 16
	client := hub.core.CoreV1().ConfigMaps("pages")
	var all sync.WaitGroup
	failed := make(chan error, wanted)
	for writer := range writers {
		all.Go(func() {
			for number := writer; number < wanted; number += writers {
				name := fmt.Sprintf("%s-%04d", base, number)
				object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
				_, err := client.Create(ctx, object, metav1.CreateOptions{})
				failed <- err
			}
		})
	}
	all.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}
