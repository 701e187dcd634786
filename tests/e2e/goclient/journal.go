package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
)

// journal is what an informer told: each version of each object, and each that went.
type journal struct {
	mutex sync.Mutex
	told  map[string]bool
}

func (j *journal) note(object any, gone bool) {
	if last, unknown := object.(cache.DeletedFinalStateUnknown); unknown {
		object = last.Obj
	}
	if read, err := meta.Accessor(object); err == nil {
		j.mutex.Lock()
		defer j.mutex.Unlock()
		if j.told == nil {
			j.told = map[string]bool{}
		}
		j.told[entry(read, gone)] = true
	}
}

func (j *journal) has(entry string) bool {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.told[entry]
}

// handler notes what an informer tells.
func (j *journal) handler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { j.note(object, false) },
		UpdateFunc: func(_, object any) { j.note(object, false) },
		DeleteFunc: func(object any) { j.note(object, true) },
	}
}

// entry is one version of one incarnation, or that it went.
func entry(object metav1.Object, gone bool) string {
	version := object.GetResourceVersion()
	if gone {
		version = "gone"
	}
	return string(object.GetUID()) + "@" + version
}

// follow keeps a journal of an informer.
func follow(informer cache.SharedIndexInformer) (*journal, error) {
	kept := &journal{}
	_, err := informer.AddEventHandler(kept.handler())
	return kept, err
}

// holds is whether a store has just what a list has, in the same versions.
func holds(ctx context.Context, client dynamic.ResourceInterface, store cache.Store) error {
	list, err := client.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, object := range list.Items {
		listed[entry(&object, false)] = true
	}
	held := store.List()
	for _, object := range held {
		read, err := meta.Accessor(object)
		if err != nil {
			return err
		}
		if !listed[entry(read, false)] {
			return fmt.Errorf("the store has %s otherwise than the list", read.GetName())
		}
	}
	if len(held) != len(listed) {
		return fmt.Errorf("%d in the store, %d in the list", len(held), len(listed))
	}
	return nil
}

// kinds are the apiVersion and kind of what is written as a load.
var kinds = map[schema.GroupVersionResource][2]string{
	configMaps: {"v1", "ConfigMap"},
	secrets:    {"v1", "Secret"},
	leases:     {"coordination.k8s.io/v1", "Lease"},
	clusters:   {"cluster.open-cluster-management.io/v1", "ManagedCluster"},
	placements: {"cluster.open-cluster-management.io/v1beta1", "Placement"},
}

// load has writers make, change and remove objects side by side; answers what an informer that
// misses nothing has to tell.
func load(
	ctx context.Context, client dynamic.ResourceInterface, of schema.GroupVersionResource,
	wave string, writers, each int,
) ([]string, error) {
	var mutex sync.Mutex
	var all sync.WaitGroup
	var wanted []string
	var failed error
	for writer := range writers {
		all.Go(func() {
			for number := range each {
				name := fmt.Sprintf("%s-%d-%d", wave, writer, number)
				entries, err := written(ctx, client, of, name, number%3 == 2)
				mutex.Lock()
				wanted = append(wanted, entries...)
				if err != nil && failed == nil {
					failed = fmt.Errorf("%s %s: %w", of.Resource, name, err)
				}
				mutex.Unlock()
			}
		})
	}
	all.Wait()
	return wanted, failed
}

// written is one object that is made, changed twice, and removed if it goes.
func written(
	ctx context.Context, client dynamic.ResourceInterface, of schema.GroupVersionResource,
	name string, goes bool,
) ([]string, error) {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": kinds[of][0], "kind": kinds[of][1], "metadata": map[string]any{"name": name},
	}}
	if of == placements {
		object.Object["spec"] = map[string]any{}
	}
	made, err := client.Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	entries := []string{entry(made, false)}
	for round := range 2 {
		patch := fmt.Appendf(nil, `{"metadata":{"labels":{"round":"r%d"}}}`, round)
		changed, err := client.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil {
			return entries, err
		}
		entries = append(entries, entry(changed, false))
	}
	if !goes {
		return entries, nil
	}
	if err := client.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return entries, err
	}
	return append(entries, entry(made, true)), nil
}

// missed is what a journal lacks of what it has to tell.
func missed(kept *journal, wanted []string) error {
	var lacks []string
	for _, entry := range wanted {
		if !kept.has(entry) {
			lacks = append(lacks, entry)
		}
	}
	if len(lacks) > 0 {
		return fmt.Errorf("%d of %d were not told: %s", len(lacks), len(wanted),
			strings.Join(lacks[:min(len(lacks), 3)], " "))
	}
	return nil
}
