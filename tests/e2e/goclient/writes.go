package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
)

// deletions deletes with preconditions, as a trial, and by selector.
func deletions(ctx context.Context, hub *hub) (facts, error) {
	if err := hub.namespace(ctx, "deletions"); err != nil {
		return nil, err
	}
	configMaps := hub.core.CoreV1().ConfigMaps("deletions")
	make := func(name, label string) (*corev1.ConfigMap, error) {
		labels := map[string]string{"of": label}
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
		return configMaps.Create(ctx, object, metav1.CreateOptions{})
	}
	made, err := make("one", "a")
	if err != nil {
		return nil, err
	}
	remove := func(options metav1.DeleteOptions) error {
		return configMaps.Delete(ctx, "one", options)
	}
	otherUID, otherVersion := types.UID("another"), "1"
	seen := facts{
		"otherUid": errors.IsConflict(remove(metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &otherUID}})),
		"otherVersion": errors.IsConflict(remove(metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{ResourceVersion: &otherVersion}})),
		"trial": remove(metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}) == nil,
	}
	left, err := configMaps.Get(ctx, "one", metav1.GetOptions{})
	seen["spared"] = err == nil && left.ResourceVersion == made.ResourceVersion
	both := &metav1.Preconditions{UID: &made.UID, ResourceVersion: &made.ResourceVersion}
	seen["right"] = remove(metav1.DeleteOptions{Preconditions: both}) == nil
	_, err = configMaps.Get(ctx, "one", metav1.GetOptions{})
	seen["gone"] = errors.IsNotFound(err)
	for name, label := range map[string]string{"two": "a", "three": "a", "four": "b"} {
		if _, err := make(name, label); err != nil {
			return nil, err
		}
	}
	if err := configMaps.DeleteCollection(ctx, metav1.DeleteOptions{},
		metav1.ListOptions{LabelSelector: "of=a"}); err != nil {
		return nil, err
	}
	rest, err := configMaps.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	seen["left"], seen["bodies"] = len(rest.Items), hub.sent.bodies()
	return seen, nil
}

// mistakes makes them, and tells which are recognised as what they are.
func mistakes(ctx context.Context, hub *hub) (facts, error) {
	if err := hub.namespace(ctx, "mistakes"); err != nil {
		return nil, err
	}
	nobody, err := hub.as("nobody")
	if err != nil {
		return nil, err
	}
	stranger, err := hub.with("nonsense")
	if err != nil {
		return nil, err
	}
	configMaps := hub.core.CoreV1().ConfigMaps("mistakes")
	create := func(space, name string) error {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
		_, err := hub.core.CoreV1().ConfigMaps(space).Create(ctx, object, metav1.CreateOptions{})
		return err
	}
	if err := create("mistakes", "m"); err != nil {
		return nil, err
	}
	first, err := configMaps.Get(ctx, "m", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	first.Data = map[string]string{"a": "1"}
	if _, err := configMaps.Update(ctx, first, metav1.UpdateOptions{}); err != nil {
		return nil, err
	}
	_, stale := configMaps.Update(ctx, first, metav1.UpdateOptions{})
	_, absent := configMaps.Get(ctx, "absent", metav1.GetOptions{})
	_, secrets := nobody.core.CoreV1().Secrets("mistakes").List(ctx, metav1.ListOptions{})
	_, unknown := stranger.core.CoreV1().Secrets("mistakes").List(ctx, metav1.ListOptions{})
	_, selector := configMaps.List(ctx, metav1.ListOptions{FieldSelector: "spec.x=y"})
	cluster := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster",
		"metadata": map[string]any{"name": "c1"},
	}}
	if _, err := hub.dynamic.Resource(clusters).
		Create(ctx, cluster, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	_, versionless := hub.dynamic.Resource(clusters).Update(ctx, cluster, metav1.UpdateOptions{})
	seen := facts{
		"exists":       errors.IsAlreadyExists(create("mistakes", "m")),
		"conflict":     errors.IsConflict(stale),
		"notFound":     errors.IsNotFound(absent),
		"deleteAbsent": errors.IsNotFound(configMaps.Delete(ctx, "absent", metav1.DeleteOptions{})),
		"noNamespace":  errors.IsNotFound(create("nowhere", "m")),
		"invalid":      errors.IsInvalid(create("mistakes", "UPPER")),
		"versionless":  errors.IsInvalid(versionless),
		"forbidden":    errors.IsForbidden(secrets),
		"unauthorized": errors.IsUnauthorized(unknown),
		"badSelector":  errors.IsBadRequest(selector),
	}
	seen["terminating"], err = terminating(ctx, hub, create)
	return seen, err
}

// terminating is whether nothing can be made in a namespace on its way out, and is told so.
func terminating(
	ctx context.Context, hub *hub, create func(space, name string) error,
) (bool, error) {
	if err := hub.namespace(ctx, "leaving"); err != nil {
		return false, err
	}
	configMaps := hub.core.CoreV1().ConfigMaps("leaving")
	kept := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: "kept", Finalizers: []string{"example.com/kept"},
	}}
	if _, err := configMaps.Create(ctx, kept, metav1.CreateOptions{}); err != nil {
		return false, err
	}
	if err := hub.core.CoreV1().Namespaces().
		Delete(ctx, "leaving", metav1.DeleteOptions{}); err != nil {
		return false, err
	}
	refused := create("leaving", "late")
	let := []byte(`{"metadata":{"finalizers":null}}`)
	if _, err := configMaps.Patch(ctx, "kept", types.MergePatchType, let,
		metav1.PatchOptions{}); err != nil {
		return false, err
	}
	gone := eventually(ctx, func(ctx context.Context) error {
		_, err := hub.core.CoreV1().Namespaces().Get(ctx, "leaving", metav1.GetOptions{})
		if errors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("the namespace is still there: %w", err)
	})
	return errors.IsForbidden(refused) &&
		errors.HasStatusCause(refused, corev1.NamespaceTerminatingCause), gone
}

// retries has many count in one object, each of whom tries again when another was first.
func retries(ctx context.Context, hub *hub) (facts, error) {
	const counters, each = 8, 5
	if err := hub.namespace(ctx, "retries"); err != nil {
		return nil, err
	}
	configMaps := hub.core.CoreV1().ConfigMaps("retries")
	count := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "count"},
		Data: map[string]string{"count": "0"}}
	if _, err := configMaps.Create(ctx, count, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	backoff := wait.Backoff{Steps: 200, Duration: 2 * time.Millisecond, Factor: 1.1, Jitter: 1,
		Cap: 50 * time.Millisecond}
	one := func() error {
		return retry.RetryOnConflict(backoff, func() error {
			now, err := configMaps.Get(ctx, "count", metav1.GetOptions{})
			if err != nil {
				return err
			}
			number, err := strconv.Atoi(now.Data["count"])
			if err != nil {
				return err
			}
			now.Data["count"] = strconv.Itoa(number + 1)
			_, err = configMaps.Update(ctx, now, metav1.UpdateOptions{})
			return err
		})
	}
	var all sync.WaitGroup
	failed := make(chan error, counters*each)
	for range counters {
		all.Go(func() {
			for range each {
				failed <- one()
			}
		})
	}
	all.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			return nil, err
		}
	}
	last, err := configMaps.Get(ctx, "count", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return facts{"wanted": strconv.Itoa(counters * each), "counted": last.Data["count"]}, nil
}
