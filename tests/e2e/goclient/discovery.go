package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/openapi3"
	"k8s.io/client-go/restmapper"
)

// discovered finds out what is served, in both forms, maps names to kinds by it, and reads every
// schema.
func discovered(_ context.Context, hub *hub) (facts, error) {
	aggregated, requests, err := resources(hub, false)
	if err != nil {
		return nil, err
	}
	plain, more, err := resources(hub, true)
	if err != nil {
		return nil, err
	}
	seen := facts{
		"resources": len(aggregated), "differ": differ(aggregated, plain),
		"requests": requests, "plainRequests": more,
	}
	client, err := discovery.NewDiscoveryClientForConfig(hub.config)
	if err != nil {
		return nil, err
	}
	version, err := client.ServerVersion()
	if err != nil {
		return nil, err
	}
	seen["version"] = version.Major + "." + version.Minor
	if err := mapped(client, seen); err != nil {
		return nil, err
	}
	return seen, schemas(client, seen)
}

// resources are all that are served, with their verbs, and how many requests that took.
func resources(of *hub, legacy bool) ([]string, int, error) {
	fresh, err := clientsOf(of.config)
	if err != nil {
		return nil, 0, err
	}
	client, err := discovery.NewDiscoveryClientForConfig(fresh.config)
	if err != nil {
		return nil, 0, err
	}
	client.UseLegacyDiscovery = legacy
	_, lists, err := client.ServerGroupsAndResources()
	if err != nil {
		return nil, 0, err
	}
	var all []string
	for _, list := range lists {
		for _, resource := range list.APIResources {
			all = append(all, described(list.GroupVersion, resource))
		}
	}
	slices.Sort(all)
	return all, fresh.sent.count(func(request) bool { return true }), nil
}

func described(version string, of metav1.APIResource) string {
	singular := of.SingularName
	// Of a part, the two forms say different things.
	if strings.Contains(of.Name, "/") {
		singular = ""
	}
	return fmt.Sprint(version, " ", of.Name, " ", singular, " ", of.Kind, " ",
		of.Namespaced, " ", of.ShortNames, " ", of.Verbs)
}

// differ is what one has and the other has not.
func differ(a, b []string) []string {
	differ := []string{}
	for _, one := range append(slices.Clone(a), b...) {
		if !slices.Contains(a, one) || !slices.Contains(b, one) {
			differ = append(differ, one)
		}
	}
	return differ
}

// mapped maps what users type to kinds.
func mapped(client discovery.DiscoveryInterface, seen facts) error {
	cached := memory.NewMemCacheClient(client)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached)
	short := restmapper.NewShortcutExpander(mapper, cached, nil)
	kinds := map[string]string{}
	for _, name := range []string{"mcl", "managedclusters", "placement", "mwrs", "cm", "sa", "csr"} {
		kind, err := short.KindFor(schema.GroupVersionResource{Resource: name})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		kinds[name] = kind.Kind
	}
	placement := schema.GroupKind{Group: placements.Group, Kind: "Placement"}
	mapping, err := mapper.RESTMapping(placement)
	if err != nil {
		return err
	}
	_, unknown := mapper.RESTMapping(schema.GroupKind{Group: "example.com", Kind: "Unknown"})
	seen["kinds"], seen["placement"] = kinds, mapping.Resource.Resource
	seen["namespaced"] = mapping.Scope.Name() == meta.RESTScopeNameNamespace
	seen["unknown"] = meta.IsNoMatchError(unknown)
	return nil
}

// schemas reads each document of OpenAPI, and whether all patches of objects say how fields are
// judged.
func schemas(client discovery.DiscoveryInterface, seen facts) error {
	root := openapi3.NewRoot(client.OpenAPIV3())
	versions, err := root.GroupVersions()
	if err != nil {
		return err
	}
	definitions, patches := 0, 0
	var unjudged []string
	for _, version := range versions {
		document, err := root.GVSpec(version)
		if err != nil {
			return fmt.Errorf("%v: %w", version, err)
		}
		definitions += len(document.Components.Schemas)
		for path, item := range document.Paths.Paths {
			if item.Patch == nil || !strings.HasSuffix(path, "{name}") {
				continue
			}
			patches++
			judged := false
			for _, parameter := range item.Patch.Parameters {
				judged = judged || parameter.Name == "fieldValidation"
			}
			if !judged {
				unjudged = append(unjudged, path)
			}
		}
	}
	seen["documents"], seen["schemas"], seen["patches"] = len(versions), definitions, patches
	seen["unjudged"] = unjudged
	return nil
}
