package main

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"time"

	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodelease "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/yaml"
)

//go:embed stages/*.yaml
var stages embed.FS

// The annotations of a pod that choose what becomes of it.
const (
	podAnnotation   = `.metadata.annotations["local.helmapp.io/pod"]`
	readyAnnotation = `.metadata.annotations["local.helmapp.io/ready-after"]`
)

// kwokConfig is kwok's configuration: its own stages for nodes and for pods
// that get ready, ours for the rest, and one log for every container.
func kwokConfig(log string) ([]byte, error) {
	ready, err := podReady()
	if err != nil {
		return nil, err
	}
	documents := [][]byte{
		[]byte(nodefast.DefaultNodeInit),
		[]byte(nodelease.DefaultNodeHeartbeatWithLease),
		[]byte(podfast.DefaultPodDelete),
		ready,
		[]byte(`apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  enableDebuggingHandlers: true
  nodeLeaseDurationSeconds: 40
  nodeLeaseParallelism: 4
  nodePlayStageParallelism: 4
  podPlayStageParallelism: 16
  podsOnNodeSyncParallelism: 4
`),
		fmt.Appendf(nil, `apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterLogs
metadata:
  name: every-pod
spec:
  logs:
  - logsFile: %q
    previousLogsFile: %q
`, log, log),
	}
	entries, err := stages.ReadDir("stages")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		data, err := stages.ReadFile("stages/" + entry.Name())
		if err != nil {
			return nil, err
		}
		documents = append(documents, data)
	}
	return bytes.Join(documents, []byte("\n---\n")), nil
}

// podReady is kwok's stage, made to wait as long as the pod's annotation says
// and to leave pods alone that another annotation gives to our own stages.
func podReady() ([]byte, error) {
	var stage struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Metadata   map[string]any `json:"metadata"`
		Spec       struct {
			ResourceRef map[string]any `json:"resourceRef"`
			Selector    struct {
				MatchExpressions []map[string]any `json:"matchExpressions"`
			} `json:"selector"`
			Delay map[string]any `json:"delay"`
			Next  map[string]any `json:"next"`
		} `json:"spec"`
	}
	if err := yaml.UnmarshalStrict([]byte(podfast.DefaultPodReady), &stage); err != nil {
		return nil, fmt.Errorf("kwok's pod-ready stage: %w", err)
	}
	selector := &stage.Spec.Selector
	selector.MatchExpressions = append(selector.MatchExpressions,
		map[string]any{
			"key": podAnnotation, "operator": "NotIn",
			"values": []string{"crash-loop", "fail", "image-pull"},
		})
	stage.Spec.Delay = map[string]any{
		"durationMilliseconds": 0,
		"durationFrom":         map[string]any{"expressionFrom": readyAnnotation},
	}
	return yaml.Marshal(stage)
}

// writeKwokConfig writes the configuration and the log, which is in the format
// of a container runtime's.
func (d *plane) writeKwokConfig() error {
	line := fmt.Sprintf("%s stdout F no container ran: the node is simulated\n", time.Now().UTC().Format(time.RFC3339Nano))
	if err := os.WriteFile(d.path("pod.log"), []byte(line), 0o600); err != nil {
		return err
	}
	config, err := kwokConfig(d.path("pod.log"))
	if err != nil {
		return err
	}
	return os.WriteFile(d.path("kwok.yaml"), config, 0o600)
}
