package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// every is how often a condition is looked at.
	every = 20 * time.Millisecond
	// soon is how long it may take to come true.
	soon = time.Minute
)

var (
	configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	secrets    = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	leases     = schema.GroupVersionResource{
		Group: "coordination.k8s.io", Version: "v1", Resource: "leases",
	}
	clusters = schema.GroupVersionResource{
		Group: "cluster.open-cluster-management.io", Version: "v1", Resource: "managedclusters",
	}
	placements = schema.GroupVersionResource{
		Group: "cluster.open-cluster-management.io", Version: "v1beta1", Resource: "placements",
	}
)

// hub is a gateway, its clients, and what these sent.
type hub struct {
	config  *rest.Config
	core    kubernetes.Interface
	dynamic dynamic.Interface
	sent    *trail
	// others are more gateways of the same hub.
	others []*hub
}

// reach makes clients of the gateways that kubeconfigs name.
func reach(kubeconfigs []string) (*hub, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfigs[0])
	if err != nil {
		return nil, err
	}
	// Nothing but the hub sets the pace.
	config.QPS = -1
	reached, err := clientsOf(config)
	if err != nil {
		return nil, err
	}
	if len(kubeconfigs) > 1 {
		other, err := reach(kubeconfigs[1:])
		if err != nil {
			return nil, err
		}
		reached.others = append([]*hub{other}, other.others...)
	}
	return reached, nil
}

// clientsOf makes clients with a record of their own.
func clientsOf(config *rest.Config) (*hub, error) {
	sent := &trail{}
	config = rest.CopyConfig(config)
	config.WrapTransport = sent.wrap
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	dynamic, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &hub{config: config, core: core, dynamic: dynamic, sent: sent}, nil
}

// as is the same hub for somebody else.
func (h *hub) as(user string) (*hub, error) {
	config := rest.CopyConfig(h.config)
	config.Impersonate.UserName = user
	return clientsOf(config)
}

// with is the same hub for whoever has a token.
func (h *hub) with(token string) (*hub, error) {
	config := rest.AnonymousClientConfig(h.config)
	config.BearerToken, config.QPS = token, -1
	return clientsOf(config)
}

// namespace makes one.
func (h *hub) namespace(ctx context.Context, name string) error {
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := h.core.CoreV1().Namespaces().Create(ctx, space, metav1.CreateOptions{})
	return err
}

// eventually waits until look finds nothing wrong; what was wrong last is the error.
func eventually(ctx context.Context, look func(context.Context) error) error {
	var wrong error
	err := wait.PollUntilContextTimeout(ctx, every, soon, true,
		func(ctx context.Context) (bool, error) {
			wrong = look(ctx)
			return wrong == nil, nil
		})
	if err != nil && wrong != nil {
		return fmt.Errorf("still not after %v: %w", soon, wrong)
	}
	return err
}

// request is one that was sent.
type request struct {
	method, path, contentType, accept string
	query                             url.Values
}

// trail keeps every request that was sent.
type trail struct {
	mutex sync.Mutex
	all   []request
}

// sender sends a request.
type sender func(*http.Request) (*http.Response, error)

func (s sender) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

func (r *trail) wrap(next http.RoundTripper) http.RoundTripper {
	return sender(func(sent *http.Request) (*http.Response, error) {
		r.mutex.Lock()
		r.all = append(r.all, request{
			method: sent.Method, path: sent.URL.Path, query: sent.URL.Query(),
			contentType: sent.Header.Get("Content-Type"), accept: sent.Header.Get("Accept"),
		})
		r.mutex.Unlock()
		return next.RoundTrip(sent)
	})
}

// count is how many requests are meant.
func (r *trail) count(meant func(request) bool) int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	count := 0
	for _, sent := range r.all {
		if meant(sent) {
			count++
		}
	}
	return count
}

// bodies are the content types of what was sent, with how often.
func (r *trail) bodies() map[string]int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	found := map[string]int{}
	for _, sent := range r.all {
		if sent.contentType != "" {
			found[sent.contentType]++
		}
	}
	return found
}

// isWatch is a watch, however it begins.
func isWatch(sent request) bool { return sent.query.Get("watch") == "true" }

// isStream is a watch that begins with all there is.
func isStream(sent request) bool {
	return isWatch(sent) && sent.query.Get("sendInitialEvents") == "true"
}

// isList is a list, or a page of one.
func isList(sent request) bool {
	if sent.method != http.MethodGet || isWatch(sent) {
		return false
	}
	parts := strings.Split(strings.Trim(sent.path, "/"), "/")
	// What is before the resource: api/v1 or apis/GROUP/VERSION, and a namespace.
	before := 2
	if parts[0] == "apis" {
		before = 3
	}
	if len(parts) > before+2 && parts[before] == "namespaces" {
		before += 2
	}
	return len(parts) == before+1
}
