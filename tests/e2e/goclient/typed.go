package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"slices"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// clientOf is what every typed client has.
type clientOf[T metav1.Object] interface {
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	Get(context.Context, string, metav1.GetOptions) (T, error)
	Update(context.Context, T, metav1.UpdateOptions) (T, error)
	Delete(context.Context, string, metav1.DeleteOptions) error
}

// lives takes an object through its life: made, changed, read, deleted. What of it is the user's
// has to come back as it was sent.
func lives[T metav1.Object](client clientOf[T], object T, users func(T) any, change func(T)) error {
	ctx, name := context.Background(), object.GetName()
	made, err := client.Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if made.GetUID() == "" || made.GetResourceVersion() == "" {
		return fmt.Errorf("created without uid or version: %v", made)
	}
	if !equality.Semantic.DeepEqual(users(made), users(object)) {
		return fmt.Errorf("sent %v, created %v", users(object), users(made))
	}
	before := made.GetResourceVersion()
	change(made)
	changed, err := client.Update(ctx, made, metav1.UpdateOptions{})
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	if changed.GetResourceVersion() == before || changed.GetUID() != made.GetUID() {
		return fmt.Errorf("updated %v, answered %v", made, changed)
	}
	if !equality.Semantic.DeepEqual(users(changed), users(made)) {
		return fmt.Errorf("sent %v, updated %v", users(made), users(changed))
	}
	read, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	if !equality.Semantic.DeepEqual(read, changed) {
		return fmt.Errorf("updated %v, read %v", changed, read)
	}
	if err := client.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return eventually(ctx, func(ctx context.Context) error {
		left, err := client.Get(ctx, name, metav1.GetOptions{})
		if errors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("deleted, still there: %v %w", left, err)
	})
}

// life is that of one kind.
type life struct {
	kind string
	lead func() error
}

// typed has typed clients write each kind that Kubernetes has built in.
func typed(ctx context.Context, hub *hub) (facts, error) {
	if err := hub.namespace(ctx, "typed"); err != nil {
		return nil, err
	}
	sent := hub.sent
	done := []string{}
	for _, life := range slices.Concat(plainLives(hub), roleLives(hub), passingLives(hub)) {
		if err := life.lead(); err != nil {
			return nil, fmt.Errorf("%s: %w", life.kind, err)
		}
		done = append(done, life.kind)
	}
	if err := defined(ctx, hub); err != nil {
		return nil, fmt.Errorf("CustomResourceDefinition: %w", err)
	}
	done = append(done, "CustomResourceDefinition")
	return facts{"kinds": done, "bodies": sent.bodies()}, nil
}

// defined changes the definition of a kind of the fleet, as installers do that find it there.
func defined(ctx context.Context, hub *hub) error {
	client, err := apiextensions.NewForConfig(hub.config)
	if err != nil {
		return err
	}
	all := client.ApiextensionsV1().CustomResourceDefinitions()
	name := clusters.GroupResource().String()
	found, err := all.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	if !established(found) {
		return fmt.Errorf("not established: %v", found.Status)
	}
	found.Labels = map[string]string{"a": "b"}
	changed, err := all.Update(ctx, found, metav1.UpdateOptions{})
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	if !equality.Semantic.DeepEqual(changed.Spec, found.Spec) || changed.Labels["a"] != "b" {
		return fmt.Errorf("sent %v, updated %v", found.Spec, changed.Spec)
	}
	_, err = hub.dynamic.Resource(clusters).List(ctx, metav1.ListOptions{})
	return err
}

// established is whether a definition is established, which installers wait for.
func established(of *apiextensionsv1.CustomResourceDefinition) bool {
	for _, condition := range of.Status.Conditions {
		if condition.Type == apiextensionsv1.Established {
			return condition.Status == apiextensionsv1.ConditionTrue
		}
	}
	return false
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: map[string]string{"a": "b"}}
}

func plainLives(hub *hub) []life {
	core := hub.core.CoreV1()
	requests := hub.core.CertificatesV1().CertificateSigningRequests()
	yes := true
	return []life{
		{"Secret", func() error {
			secret := &corev1.Secret{ObjectMeta: named("s"), Type: corev1.SecretTypeOpaque,
				Data: map[string][]byte{"bytes": {0, 0xff}, "none": {}}}
			return lives(core.Secrets("typed"), secret,
				func(s *corev1.Secret) any { return []any{s.Labels, s.Data, s.Type} },
				func(s *corev1.Secret) { s.Data["more"] = []byte("x") })
		}},
		{"ConfigMap", func() error {
			text := map[string]string{"a": "1", "empty": ""}
			configMap := &corev1.ConfigMap{ObjectMeta: named("m"), Data: text,
				BinaryData: map[string][]byte{"bytes": {0, 0xff}}}
			return lives(core.ConfigMaps("typed"), configMap,
				func(m *corev1.ConfigMap) any { return []any{m.Labels, m.Data, m.BinaryData} },
				func(m *corev1.ConfigMap) { m.Data["b"], m.Annotations = "2", m.Data })
		}},
		{"ServiceAccount", func() error {
			account := &corev1.ServiceAccount{ObjectMeta: named("a"),
				AutomountServiceAccountToken: &yes}
			return lives(core.ServiceAccounts("typed"), account,
				func(a *corev1.ServiceAccount) any {
					return []any{a.AutomountServiceAccountToken, a.ImagePullSecrets}
				},
				func(a *corev1.ServiceAccount) {
					a.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "pull"}}
				})
		}},
		{"Namespace", func() error {
			return lives(core.Namespaces(), &corev1.Namespace{ObjectMeta: named("typed-too")},
				func(n *corev1.Namespace) any { return n.Labels["a"] },
				func(n *corev1.Namespace) { n.Labels["a"] = "c" })
		}},
		{"CertificateSigningRequest", func() error {
			request, err := signingRequest()
			if err != nil {
				return err
			}
			return lives(requests, request,
				func(r *certificatesv1.CertificateSigningRequest) any {
					return []any{r.Labels, r.Spec.Request, r.Spec.SignerName, r.Spec.Usages}
				},
				func(r *certificatesv1.CertificateSigningRequest) { r.Labels["a"] = "c" })
		}},
	}
}

// signingRequest asks for a certificate of an agent.
func signingRequest() (*certificatesv1.CertificateSigningRequest, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	wanted := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "agent"}}
	bytes, err := x509.CreateCertificateRequest(rand.Reader, wanted, key)
	if err != nil {
		return nil, err
	}
	return &certificatesv1.CertificateSigningRequest{
		ObjectMeta: named("agent"),
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: bytes}),
			SignerName: certificatesv1.KubeAPIServerClientSignerName,
			Usages:     []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth},
		},
	}, nil
}

func roleLives(hub *hub) []life {
	rbac := hub.core.RbacV1()
	rules := []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""},
		Resources: []string{"configmaps"}, ResourceNames: []string{"m"}}}
	subjects := []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "u"}}
	account := rbacv1.Subject{Kind: "ServiceAccount", Namespace: "typed", Name: "a"}
	role := func(kind string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: "r"}
	}
	return []life{
		{"Role", func() error {
			return lives(rbac.Roles("typed"), &rbacv1.Role{ObjectMeta: named("r"), Rules: rules},
				func(r *rbacv1.Role) any { return r.Rules },
				func(r *rbacv1.Role) { r.Rules[0].Verbs = []string{"get", "list"} })
		}},
		{"RoleBinding", func() error {
			binding := &rbacv1.RoleBinding{ObjectMeta: named("b"), Subjects: subjects,
				RoleRef: role("Role")}
			return lives(rbac.RoleBindings("typed"), binding,
				func(b *rbacv1.RoleBinding) any { return []any{b.Subjects, b.RoleRef} },
				func(b *rbacv1.RoleBinding) { b.Subjects = append(b.Subjects, account) })
		}},
		{"ClusterRole", func() error {
			paths := rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/x/*"}}
			return lives(rbac.ClusterRoles(),
				&rbacv1.ClusterRole{ObjectMeta: named("r"), Rules: rules},
				func(r *rbacv1.ClusterRole) any { return r.Rules },
				func(r *rbacv1.ClusterRole) { r.Rules = append(r.Rules, paths) })
		}},
		{"ClusterRoleBinding", func() error {
			binding := &rbacv1.ClusterRoleBinding{ObjectMeta: named("b"), Subjects: subjects,
				RoleRef: role("ClusterRole")}
			return lives(rbac.ClusterRoleBindings(), binding,
				func(b *rbacv1.ClusterRoleBinding) any { return []any{b.Subjects, b.RoleRef} },
				func(b *rbacv1.ClusterRoleBinding) { b.Subjects = append(b.Subjects, account) })
		}},
	}
}

// passingLives are those of what is not kept for long.
func passingLives(hub *hub) []life {
	holder, seconds := "holder", int32(15)
	now := metav1.NewMicroTime(time.Now().Truncate(time.Microsecond))
	about := corev1.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: "typed",
		Name: "m"}
	return []life{
		{"Lease", func() error {
			lease := &coordinationv1.Lease{ObjectMeta: named("l"), Spec: coordinationv1.LeaseSpec{
				HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &now,
			}}
			return lives(hub.core.CoordinationV1().Leases("typed"), lease,
				func(l *coordinationv1.Lease) any { return l.Spec },
				func(l *coordinationv1.Lease) {
					later := metav1.NewMicroTime(now.Add(time.Second))
					l.Spec.AcquireTime, l.Spec.RenewTime = &now, &later
				})
		}},
		{"Event of core", func() error {
			event := &corev1.Event{ObjectMeta: named("e"), InvolvedObject: about, Reason: "Tried",
				Message: "it was tried", Type: corev1.EventTypeNormal, Count: 1,
				LastTimestamp: metav1.NewTime(now.Truncate(time.Second)),
				Source:        corev1.EventSource{Component: "goclient"}}
			return lives(hub.core.CoreV1().Events("typed"), event,
				func(e *corev1.Event) any {
					return []any{e.InvolvedObject, e.Reason, e.Message, e.Type, e.Count,
						e.LastTimestamp, e.Source}
				},
				func(e *corev1.Event) { e.Count, e.Message = 2, "it was tried again" })
		}},
		{"Event", func() error {
			event := &eventsv1.Event{ObjectMeta: named("f"), Regarding: about, Reason: "Tried",
				Note: "it was tried", Type: corev1.EventTypeWarning, Action: "Trying",
				EventTime: now, ReportingController: "example.com/goclient",
				ReportingInstance: "goclient-1"}
			return lives(hub.core.EventsV1().Events("typed"), event,
				func(e *eventsv1.Event) any {
					return []any{e.Regarding, e.Reason, e.Note, e.Type, e.Action, e.EventTime,
						e.ReportingController, e.ReportingInstance, e.Series}
				},
				func(e *eventsv1.Event) {
					e.Series = &eventsv1.EventSeries{Count: 2, LastObservedTime: now}
				})
		}},
	}
}
