{{/* Every template begins with it, so what is missing is told before anything fails on it. */}}
{{- define "operator.name" -}}
{{- include "operator.checkValues" . -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Of what belongs to the cluster and not to a namespace. Installations for some namespaces may have the same name, each
in a namespace of its own. */}}
{{- define "operator.clusterName" -}}
{{- if .Values.watchNamespaces }}{{ .Release.Namespace }}:{{ end }}{{ include "operator.name" . }}
{{- end }}

{{- define "operator.labels" -}}
{{ include "operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "operator.image" -}}
{{ required "image.repository is not set: build the image from operator/Dockerfile, push it, and name it with --set image.repository=<registry>/<image>" .Values.image.repository }}
{{- if or .Values.image.tag (not .Values.image.digest) }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "operator.executorImage" -}}
{{- if and .Values.executor.digest (contains "@" .Values.executor.image) }}
{{- fail (printf "executor.image %s has a digest, and executor.digest is set: give the digest in one of them" .Values.executor.image) }}
{{- end }}
{{- .Values.executor.image }}{{ with .Values.executor.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* Nodes belong to the cluster. An operator with rights in some namespaces only cannot list them. */}}
{{- define "operator.userNamespaces" -}}
{{- if and (eq .Values.userNamespaces "Auto") .Values.watchNamespaces }}Never{{ else }}{{ .Values.userNamespaces }}{{ end }}
{{- end }}

{{/* These are exactly the verbs that the operator uses. A test compares them with its requests. The release before
patches statuses, and it goes on until the new replicas are ready. */}}
{{- define "operator.rules" -}}
- apiGroups: [buildandpush.dev]
  resources: [buildandpushacrs, azureconnectors]
  verbs: [get, list, watch]
- apiGroups: [buildandpush.dev]
  resources: [buildandpushacrs/status, azureconnectors/status]
  verbs: [update, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# The operator reads Secrets by name. It does not list or watch them.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch, delete]
# The ConfigMaps in buildArgsFrom.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
{{- with .Values.azure.identityServiceAccounts }}
# Tokens for connectors with a workload identity, of these service accounts only.
- apiGroups: [""]
  resources: [serviceaccounts/token]
  resourceNames: {{ toJson . }}
  verbs: [create]
{{- end }}
# What kubelets say of a build pod that does not start stands in Events alone.
- apiGroups: [""]
  resources: [events]
  verbs: [create, list]
{{- if .Values.flux.enabled }}
# The artifacts of source.fluxSource. Where the cluster has no Flux, the rule grants nothing.
- apiGroups: [source.toolkit.fluxcd.io]
  resources: [gitrepositories, ocirepositories, buckets]
  verbs: [get, list, watch]
{{- end }}
{{- end }}

{{/* Those of `builds` that a spec's podTemplate has too, in its form, as JSON. */}}
{{- define "operator.podDefaults" -}}
{{- $fields := dict -}}
{{- range $name := list "nodeSelector" "tolerations" "affinity" "labels" "annotations" "imagePullSecrets" "priorityClassName" "runtimeClassName" -}}
{{- with index $.Values.builds $name -}}
{{- $_ := set $fields $name . -}}
{{- end -}}
{{- end -}}
{{- toJson $fields -}}
{{- end -}}
