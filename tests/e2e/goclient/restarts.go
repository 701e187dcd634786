package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// restarts has informers follow one gateway while others write through a second one. The test ends
// the first and says so, by a line, and starts it again and says so, by another, as often as it
// likes.
func restarts(ctx context.Context, hub *hub) (facts, error) {
	if len(hub.others) == 0 {
		return nil, errors.New("a second gateway is needed")
	}
	writer := hub.others[0]
	if err := writer.namespace(ctx, "restarts"); err != nil {
		return nil, err
	}
	all, err := follows(ctx, writer, hub, "restarts",
		configMaps, secrets, clusters, placements)
	if err != nil {
		return nil, err
	}
	if err := synced(ctx, informersOf(all)); err != nil {
		return nil, err
	}
	wave := "before"
	if _, err := waves(ctx, all, wave, 1, 1); err != nil {
		return nil, err
	}
	lists, streams := hub.sent.count(isList), hub.sent.count(isStream)
	say("restarts", facts{"step": "synced"}, nil)
	rounds := 0
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var err error
		step := "written"
		switch lines.Text() {
		case "away":
			rounds++
			next := fmt.Sprint("away", rounds)
			err = away(ctx, all, wave, next)
			wave = next
		case "back":
			step, err = "told", back(ctx, all)
		}
		if err != nil {
			return nil, err
		}
		say("restarts", facts{"step": step}, nil)
	}
	return facts{
		"rounds":     rounds,
		"listsAfter": hub.sent.count(isList) - lists,
		// Streams begin with everything there is: they are lists too.
		"streamsAfter": hub.sent.count(isStream) - streams,
	}, lines.Err()
}

// away writes what the informers cannot see yet: new objects, and an end of one that they know.
func away(ctx context.Context, all []*followed, last, wave string) error {
	for _, one := range all {
		if _, err := load(ctx, one.client, one.kind, wave, 2, 3); err != nil {
			return err
		}
		name := last + "-0-0"
		known, err := one.client.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if err := one.client.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return err
		}
		one.owed = []string{entry(known, true)}
	}
	return nil
}

// back waits until the informers hold what there is, and were told what went.
func back(ctx context.Context, all []*followed) error {
	for _, one := range all {
		err := eventually(ctx, func(ctx context.Context) error {
			if err := missed(one.journal, one.owed); err != nil {
				return err
			}
			return holds(ctx, one.client, one.informer.GetStore())
		})
		if err != nil {
			return fmt.Errorf("%s: %w", one.kind.Resource, err)
		}
	}
	return nil
}
