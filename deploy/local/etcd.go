package main

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// compact has etcd forget all but the newest state, as the API server does every
// five minutes: who wants to read on from an older one is told that it is gone.
func (d *plane) compact(ctx context.Context) error {
	ctx, done := context.WithTimeoutCause(ctx, 20*time.Second, fmt.Errorf("etcd did not answer within 20s"))
	defer done()
	client, err := clientv3.New(clientv3.Config{
		Context:   ctx,
		Endpoints: []string{"unix://" + d.path("etcd.sock")},
	})
	if err != nil {
		return err
	}
	defer client.Close()
	newest, err := client.Get(ctx, "/", clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("reading the newest revision: %w", err)
	}
	_, err = client.Compact(ctx, newest.Header.Revision, clientv3.WithCompactPhysical())
	return err
}
