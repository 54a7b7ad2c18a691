// Command helm3 judges helmapp-helm: it answers what `helm template` of Helm 3 makes of a chart and values.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/pkg/errors"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli/values"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/releaseutil"
	"helmapp.io/oracle/judge"
)

func main() { judge.Serve(helm{}) }

type helm struct{}

// inputs reads the case's own texts in the place of files.
type inputs struct{ judge.Case }

func (i inputs) Get(name string, _ ...getter.Option) (*bytes.Buffer, error) { return i.Read(name) }

func layers(c judge.Case) (map[string]interface{}, error) {
	providers := getter.Providers{{
		Schemes: []string{judge.Scheme},
		New:     func(...getter.Option) (getter.Getter, error) { return inputs{c}, nil },
	}}
	options := values.Options{
		ValueFiles:    c.ValueFiles(),
		JSONValues:    c.SetJSON,
		Values:        c.Set,
		StringValues:  c.SetString,
		FileValues:    c.SetFile,
		LiteralValues: c.SetLiteral,
	}
	return options.MergeValues(providers)
}

func load(c judge.Case) (*chart.Chart, error) {
	if c.Path != "" {
		return loader.Load(c.Path)
	}
	files := make([]*loader.BufferedFile, 0, len(c.Files))
	for _, f := range c.Files {
		files = append(files, &loader.BufferedFile{Name: f.Name, Data: f.Data()})
	}
	return loader.LoadFiles(files)
}

// installable is what the command checks before it installs.
func installable(chrt *chart.Chart) error {
	if kind := chrt.Metadata.Type; kind != "" && kind != "application" {
		return errors.Errorf("%s charts are not installable", kind)
	}
	if required := chrt.Metadata.Dependencies; required != nil {
		return errors.Wrap(action.CheckDependencies(chrt, required), "An error occurred while checking for chart "+
			"dependencies. You may need to run `helm dependency build` to fetch missing dependencies")
	}
	return nil
}

// prepare is what comes before rendering, in the command's order.
func prepare(c judge.Case) (*chart.Chart, map[string]interface{}, error) {
	merged, err := layers(c)
	if err != nil {
		return nil, nil, err
	}
	chrt, err := load(c)
	if err != nil {
		return nil, nil, err
	}
	return chrt, merged, installable(chrt)
}

func (helm) Template(c judge.Case) (string, string, error) {
	client := action.NewInstall(new(action.Configuration))
	client.DryRun = true
	client.DryRunOption = "true"
	client.Replace = true
	client.ClientOnly = true
	client.ReleaseName = c.Name
	client.Namespace = c.Namespace
	client.IsUpgrade = c.Upgrade
	client.IncludeCRDs = c.IncludeCRDs
	client.SubNotes = c.SubNotes
	client.SkipSchemaValidation = c.SkipSchema
	client.APIVersions = c.APIVersions
	if c.KubeVersion != "" {
		version, err := chartutil.ParseKubeVersion(c.KubeVersion)
		if err != nil {
			return "", "", fmt.Errorf("invalid kube version '%s': %s", c.KubeVersion, err)
		}
		client.KubeVersion = version
	}
	chrt, merged, err := prepare(c)
	if err != nil {
		return "", "", err
	}
	rel, err := client.Run(chrt, merged)
	if err != nil {
		if rel != nil {
			err = fmt.Errorf("%w\n\nUse --debug flag to render out invalid YAML", err)
		}
		return "", "", err
	}
	var out strings.Builder
	fmt.Fprintln(&out, strings.TrimSpace(rel.Manifest))
	for _, h := range rel.Hooks {
		fmt.Fprintf(&out, "---\n# Source: %s\n%s\n", h.Path, h.Manifest)
	}
	return out.String(), rel.Info.Notes, nil
}

func (helm) Values(c judge.Case) (string, error) {
	chrt, merged, err := prepare(c)
	if err != nil {
		return "", err
	}
	if err := chartutil.ProcessDependenciesWithMerge(chrt, merged); err != nil {
		return "", err
	}
	coalesced, err := chartutil.CoalesceValues(chrt, merged)
	if err != nil {
		return "", err
	}
	out, err := json.Marshal(coalesced)
	return string(out), err
}

func (helm) Work(c judge.Case) (func() error, error) {
	var archive []byte
	var err error
	if c.Path != "" && !c.IsDir() {
		if archive, err = os.ReadFile(c.Path); err != nil {
			return nil, err
		}
	}
	fresh := func() (*chart.Chart, error) {
		if archive != nil {
			return loader.LoadArchive(bytes.NewReader(archive))
		}
		return load(c)
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	if c.KubeVersion != "" {
		version, err := chartutil.ParseKubeVersion(c.KubeVersion)
		if err != nil {
			return nil, err
		}
		capabilities.KubeVersion = *version
	}
	capabilities.APIVersions = append(slices.Clone(capabilities.APIVersions), c.APIVersions...)
	options := chartutil.ReleaseOptions{
		Name: c.Name, Namespace: c.Namespace, Revision: 1, IsInstall: !c.Upgrade, IsUpgrade: c.Upgrade,
	}
	render := func(chrt *chart.Chart, merged map[string]interface{}, schema, sort bool) error {
		top, err := chartutil.ToRenderValuesWithSchemaValidation(chrt, merged, options, capabilities, !schema)
		if err != nil {
			return err
		}
		files, err := engine.Render(chrt, top)
		if err != nil || !sort {
			return err
		}
		for name := range files {
			if strings.HasSuffix(name, "NOTES.txt") {
				delete(files, name)
			}
		}
		_, _, err = releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
		return err
	}
	chrt, err := fresh()
	if err != nil {
		return nil, err
	}
	merged, err := layers(c)
	if err != nil {
		return nil, err
	}
	if err := chartutil.ProcessDependenciesWithMerge(chrt, merged); err != nil {
		return nil, err
	}
	switch c.What {
	case "load":
		return func() error { _, err := fresh(); return err }, nil
	case "values":
		return func() error {
			top, err := chartutil.CoalesceValues(chrt, merged)
			if err != nil {
				return err
			}
			return chartutil.ValidateAgainstSchema(chrt, top)
		}, nil
	case "render", "manifest":
		return func() error { return render(chrt, merged, false, c.What == "manifest") }, nil
	case "all":
		return func() error {
			chrt, err := fresh()
			if err != nil {
				return err
			}
			merged, err := layers(c)
			if err != nil {
				return err
			}
			if err := chartutil.ProcessDependenciesWithMerge(chrt, merged); err != nil {
				return err
			}
			return render(chrt, merged, true, true)
		}, nil
	}
	return nil, fmt.Errorf("nothing called %q can be timed", c.What)
}
