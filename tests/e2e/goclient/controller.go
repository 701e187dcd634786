package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	space     = "controller"
	noted     = "example.com/generation"
	finalizer = "example.com/clean"
	// each is how many objects of a kind are reconciled.
	each = 5
)

var (
	placementKind = schema.GroupVersionKind{
		Group: placements.Group, Version: placements.Version, Kind: "Placement",
	}
	clusterKind = schema.GroupVersionKind{
		Group: clusters.Group, Version: clusters.Version, Kind: "ManagedCluster",
	}
)

// controlled runs a manager with three controllers: of placements, which have no Go type here; of
// config maps, which have one; and of clusters, of which it sees the metadata alone.
func controlled(ctx context.Context, hub *hub) (facts, error) {
	if err := hub.namespace(ctx, space); err != nil {
		return nil, err
	}
	sender, err := clientsOf(hub.config)
	if err != nil {
		return nil, err
	}
	cleaned := &atomic.Int64{}
	manager, err := managed(sender, cleaned)
	if err != nil {
		return nil, err
	}
	running, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(running) }()
	if err := driven(ctx, hub); err != nil {
		return nil, err
	}
	leases := hub.core.CoordinationV1().Leases(space)
	lease, err := leases.Get(ctx, "leader", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	// What was asked about is watched; nothing else, and metadata where that is enough.
	ofMetadata := func(sent request) bool {
		return isWatch(sent) && strings.Contains(sent.accept, "as=PartialObjectMetadata")
	}
	seen := facts{
		"cleaned": cleaned.Load(), "lists": sender.sent.count(isList),
		"streams":         sender.sent.count(isStream),
		"metadataWatches": sender.sent.count(ofMetadata),
	}
	seen["led"] = lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != ""
	end()
	if err := <-ended; err != nil {
		return nil, err
	}
	lease, err = leases.Get(ctx, "leader", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	seen["released"] = lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == ""
	return seen, nil
}

// managed is a manager with the controllers.
func managed(sender *hub, cleaned *atomic.Int64) (ctrl.Manager, error) {
	ctrl.SetLogger(klog.Background())
	manager, err := ctrl.NewManager(sender.config, ctrl.Options{
		Metrics: server.Options{BindAddress: "0"},
		Cache:   cache.Options{DefaultNamespaces: map[string]cache.Config{space: {}}},
		// Nothing is reconciled before the lease is had.
		LeaderElection: true, LeaderElectionNamespace: space, LeaderElectionID: "leader",
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, err
	}
	access := manager.GetClient()
	placement := &unstructured.Unstructured{}
	placement.SetGroupVersionKind(placementKind)
	err = ctrl.NewControllerManagedBy(manager).For(placement).Owns(&corev1.Secret{}).
		Complete(reconcile.Func(func(ctx context.Context, of ctrl.Request) (ctrl.Result, error) {
			return ctrl.Result{}, noteGeneration(ctx, access, of.NamespacedName)
		}))
	if err != nil {
		return nil, err
	}
	err = ctrl.NewControllerManagedBy(manager).For(&corev1.ConfigMap{}).
		Complete(reconcile.Func(func(ctx context.Context, of ctrl.Request) (ctrl.Result, error) {
			return ctrl.Result{}, clean(ctx, access, of.NamespacedName, cleaned)
		}))
	if err != nil {
		return nil, err
	}
	err = ctrl.NewControllerManagedBy(manager).For(metadataOf(clusterKind)).
		Complete(reconcile.Func(func(ctx context.Context, of ctrl.Request) (ctrl.Result, error) {
			return ctrl.Result{}, label(ctx, access, of.NamespacedName)
		}))
	return manager, err
}

func metadataOf(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind)
	return object
}

// noteGeneration writes a placement's generation beside it, and keeps a secret of its own as it
// should be.
func noteGeneration(ctx context.Context, access client.Client, of types.NamespacedName) error {
	placement := &unstructured.Unstructured{}
	placement.SetGroupVersionKind(placementKind)
	if err := access.Get(ctx, of, placement); err != nil {
		return client.IgnoreNotFound(err)
	}
	generation := strconv.FormatInt(placement.GetGeneration(), 10)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: of.Name, Namespace: of.Namespace}}
	_, err := controllerutil.CreateOrUpdate(ctx, access, secret, func() error {
		secret.Data = map[string][]byte{"generation": []byte(generation)}
		return controllerutil.SetControllerReference(placement, secret, access.Scheme())
	})
	if err != nil || placement.GetAnnotations()[noted] == generation {
		return err
	}
	before := placement.DeepCopy()
	annotations := placement.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[noted] = generation
	placement.SetAnnotations(annotations)
	lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return access.Patch(ctx, placement, lock)
}

// clean adds a finalizer to a config map, and takes it away when that is to go.
func clean(
	ctx context.Context, access client.Client, of types.NamespacedName, cleaned *atomic.Int64,
) error {
	configMap := &corev1.ConfigMap{}
	if err := access.Get(ctx, of, configMap); err != nil {
		return client.IgnoreNotFound(err)
	}
	if configMap.DeletionTimestamp.IsZero() {
		if controllerutil.AddFinalizer(configMap, finalizer) {
			return access.Update(ctx, configMap)
		}
		return nil
	}
	if !controllerutil.RemoveFinalizer(configMap, finalizer) {
		return nil
	}
	if err := access.Update(ctx, configMap); err != nil {
		return client.IgnoreNotFound(err)
	}
	cleaned.Add(1)
	return nil
}

// label labels a cluster by its metadata.
func label(ctx context.Context, access client.Client, of types.NamespacedName) error {
	cluster := metadataOf(clusterKind)
	if err := access.Get(ctx, of, cluster); err != nil {
		return client.IgnoreNotFound(err)
	}
	if cluster.Labels["seen"] == "true" {
		return nil
	}
	before := cluster.DeepCopy()
	if cluster.Labels == nil {
		cluster.Labels = map[string]string{}
	}
	cluster.Labels["seen"] = "true"
	return access.Patch(ctx, cluster, client.MergeFrom(before))
}

// driven does what users do, and waits each time until the controllers have followed.
func driven(ctx context.Context, hub *hub) error {
	ofPlacements := hub.dynamic.Resource(placements).Namespace(space)
	ofClusters := hub.dynamic.Resource(clusters)
	ofMaps, ofSecrets := hub.core.CoreV1().ConfigMaps(space), hub.core.CoreV1().Secrets(space)
	for number := range each {
		name := fmt.Sprintf("o%d", number)
		configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := ofMaps.Create(ctx, configMap, metav1.CreateOptions{}); err != nil {
			return err
		}
		if _, err := written(ctx, ofPlacements, placements, name, false); err != nil {
			return err
		}
		if _, err := written(ctx, ofClusters, clusters, name, false); err != nil {
			return err
		}
	}
	for number := range each {
		name := fmt.Sprintf("o%d", number)
		if err := eventually(ctx, func(ctx context.Context) error {
			return followedOnce(ctx, hub, name)
		}); err != nil {
			return err
		}
		if err := ofMaps.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return err
		}
	}
	patch := []byte(`{"spec":{"numberOfClusters":1}}`)
	if _, err := ofPlacements.Patch(ctx, "o0", types.MergePatchType, patch,
		metav1.PatchOptions{}); err != nil {
		return err
	}
	// By hand, which does not last.
	patch = []byte(`{"data":{"generation":null}}`)
	if _, err := ofSecrets.Patch(ctx, "o1", types.MergePatchType, patch,
		metav1.PatchOptions{}); err != nil {
		return err
	}
	return eventually(ctx, func(ctx context.Context) error { return followedAgain(ctx, hub) })
}

// followedOnce is what the controllers owe new objects of a name.
func followedOnce(ctx context.Context, hub *hub, name string) error {
	placement, err := hub.dynamic.Resource(placements).Namespace(space).
		Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if placement.GetAnnotations()[noted] != "1" {
		return fmt.Errorf("the generation of placement %s is not noted", name)
	}
	secret, err := hub.core.CoreV1().Secrets(space).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !metav1.IsControlledBy(secret, placement) {
		return fmt.Errorf("secret %s is not its placement's", name)
	}
	configMap, err := hub.core.CoreV1().ConfigMaps(space).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !controllerutil.ContainsFinalizer(configMap, finalizer) {
		return fmt.Errorf("config map %s has no finalizer", name)
	}
	cluster, err := hub.dynamic.Resource(clusters).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if cluster.GetLabels()["seen"] != "true" {
		return fmt.Errorf("cluster %s has no label", name)
	}
	return nil
}

// followedAgain is what they owe what users did after.
func followedAgain(ctx context.Context, hub *hub) error {
	ofSecrets := hub.core.CoreV1().Secrets(space)
	for name, wanted := range map[string]string{"o0": "2", "o1": "1"} {
		secret, err := ofSecrets.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if said := string(secret.Data["generation"]); said != wanted {
			return fmt.Errorf("secret %s says %q, not %q", name, said, wanted)
		}
	}
	for number := range each {
		name := fmt.Sprintf("o%d", number)
		_, err := hub.core.CoreV1().ConfigMaps(space).Get(ctx, name, metav1.GetOptions{})
		if !errors.IsNotFound(err) {
			return fmt.Errorf("config map %s is still there: %w", name, err)
		}
	}
	return nil
}
