package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwokcmd "sigs.k8s.io/kwok/pkg/kwok/cmd"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
)

const (
	etcd              = "etcd"
	kubeAPIServer     = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	kubeScheduler     = "kube-scheduler"
	kwok              = "kwok"
)

// components are the programs this binary can be, each as its own main would
// run it.
var components = map[string]func() int{
	etcd:              func() int { etcdmain.Main(os.Args); return 0 },
	kubeAPIServer:     func() int { return cli.Run(apiserver.NewAPIServerCommand()) },
	controllerManager: func() int { return cli.Run(controllermanager.NewControllerManagerCommand()) },
	kubeScheduler:     func() int { return cli.Run(scheduler.NewSchedulerCommand()) },
	kwok:              runKwok,
}

func runKwok() int {
	// kwok registers a flag that Kubernetes' packages have already put here.
	pflag.CommandLine = pflag.NewFlagSet(kwok, pflag.ContinueOnError)
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, _ := kwoklog.InitFlags(context.Background(), flags)
	ctx, err := kwokconfig.InitFlags(ctx, flags)
	if err == nil {
		command := kwokcmd.NewCommand(ctx)
		command.PersistentFlags().AddFlagSet(flags)
		err = command.ExecuteContext(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kwok:", err)
		return 1
	}
	return 0
}

// arguments of the components, for a control plane whose files lie in d.

func etcdArgs(d *plane) []string {
	client, peer := "unix://"+d.path("etcd.sock"), "unix://"+d.path("peer.sock")
	// A single member never dials its peers: any host will do.
	const unused = "http://127.0.0.1:1"
	return []string{
		"--name=local",
		"--data-dir=" + d.path("etcd"),
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + unused,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + unused,
		"--initial-cluster=local=" + unused,
		"--unsafe-no-fsync",
		"--quota-backend-bytes=8589934592",
		"--log-level=error",
	}
}

// auditPolicy logs who asked for what when the answer has been given, and no
// content.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Metadata
`

func apiserverArgs(d *plane) []string {
	args := []string{
		"--etcd-servers=unix://" + d.path("etcd.sock"),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", d.port),
		// The supervisor keeps the port bound, so that nobody takes it before
		// the API server starts or while it is stopped.
		"--permit-port-sharing",
		"--cert-dir=" + d.path("pki"),
		"--tls-cert-file=" + d.path("pki/server.crt"),
		"--tls-private-key-file=" + d.path("pki/server.key"),
		"--client-ca-file=" + d.path("pki/ca.crt"),
		"--kubelet-client-certificate=" + d.path("pki/server.crt"),
		"--kubelet-client-key=" + d.path("pki/server.key"),
		"--kubelet-certificate-authority=" + d.path("pki/ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + d.path("pki/sa.pub"),
		"--service-account-signing-key-file=" + d.path("pki/sa.key"),
		"--service-cluster-ip-range=" + serviceRange,
		"--authorization-mode=RBAC",
		"--allow-privileged",
		"--endpoint-reconciler-type=none",
		"--enable-priority-and-fairness=false",
		"--max-requests-inflight=3000",
		"--max-mutating-requests-inflight=1000",
		"--profiling=false",
	}
	if d.audited {
		args = append(args,
			"--audit-policy-file="+d.path("audit.yaml"),
			"--audit-log-path="+d.path("audit.log"),
		)
	}
	return args
}

func controllerManagerArgs(d *plane) []string {
	return append(clientArgs(d, controllerManager),
		"--service-account-private-key-file="+d.path("pki/sa.key"),
		"--root-ca-file="+d.path("pki/ca.crt"),
		"--cluster-signing-cert-file="+d.path("pki/ca.crt"),
		"--cluster-signing-key-file="+d.path("pki/ca.key"),
	)
}

func schedulerArgs(d *plane) []string {
	return clientArgs(d, kubeScheduler)
}

// clientArgs are what the controller manager and the scheduler share: no port,
// no lease, no client-side throttle.
func clientArgs(d *plane, name string) []string {
	config := d.kubeconfig(name)
	return []string{
		"--kubeconfig=" + config,
		"--authentication-kubeconfig=" + config,
		"--authorization-kubeconfig=" + config,
		"--secure-port=0",
		"--leader-elect=false",
		"--kube-api-qps=2000",
		"--kube-api-burst=4000",
		"--profiling=false",
	}
}

func kwokArgs(d *plane) []string {
	return []string{
		"--kubeconfig=" + d.kubeconfig(kwok),
		"--config=" + d.path("kwok.yaml"),
		"--manage-all-nodes",
		"--v=WARN",
		"--cidr=" + podRange,
		"--node-ip=127.0.0.1",
		fmt.Sprintf("--node-port=%d", d.kubeletPort),
		fmt.Sprintf("--server-address=127.0.0.1:%d", d.kubeletPort),
		"--tls-cert-file=" + d.path("pki/server.crt"),
		"--tls-private-key-file=" + d.path("pki/server.key"),
	}
}
