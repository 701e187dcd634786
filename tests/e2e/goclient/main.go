// Program goclient shows that unmodified clients of Kubernetes live with the hub API: client-go and
// controller-runtime, used as their documentation says. Each word it takes is one behaviour; what it
// saw of that is one line of JSON. Judging is left to the test that runs it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// within is how long a behaviour may take, also where much else runs.
const within = 4 * time.Minute

// facts are what was seen of a behaviour, by name.
type facts map[string]any

// behaviour shows one thing.
type behaviour func(context.Context, *hub) (facts, error)

var behaviours = map[string]behaviour{
	"typed":      typed,
	"reviews":    reviews,
	"deletions":  deletions,
	"errors":     mistakes,
	"retries":    retries,
	"pages":      pages,
	"informers":  informed,
	"restarts":   restarts,
	"discovery":  discovered,
	"controller": controlled,
	"leaders":    leaders,
	"events":     recorded,
}

func main() {
	if len(os.Args) < 3 || behaviours[os.Args[1]] == nil {
		known := slices.Sorted(maps.Keys(behaviours))
		fmt.Fprintf(os.Stderr, "usage: goclient %s KUBECONFIG...\n", strings.Join(known, "|"))
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	name := os.Args[1]
	seen, err := show(ctx, name, os.Args[2:])
	say(name, seen, err)
	if err != nil {
		os.Exit(1)
	}
}

func show(ctx context.Context, name string, kubeconfigs []string) (facts, error) {
	hub, err := reach(kubeconfigs)
	if err != nil {
		return nil, err
	}
	return behaviours[name](ctx, hub)
}

// say prints what was seen.
func say(name string, seen facts, err error) {
	line := facts{"behaviour": name}
	maps.Copy(line, seen)
	if err != nil {
		line["error"] = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
