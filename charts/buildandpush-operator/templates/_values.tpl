{{/* `helm upgrade --reuse-values` takes the values of the release and none of this chart. So what is new in this chart is
missing, and would count as 0, as false or as an empty text. A test holds the list against values.yaml. */}}
{{- define "operator.checkValues" -}}
{{- range $path := list
    "image.pullPolicy" "replicas" "leaseSeconds" "executor.image" "executor.compatibility" "rbac.aggregate"
    "defaults.timeoutSeconds" "defaults.memoryLimit" "defaults.cpuLimit" "defaults.cpuRequest"
    "allowed.priorityClasses" "allowed.runtimeClasses"
    "builds.platform" "builds.trustCertificates" "builds.proxy" "builds.outsideMesh" "builds.keepFromEviction"
    "builds.pendingTimeoutSeconds" "builds.startTimeoutSeconds" "builds.nodeLostTimeoutSeconds" "builds.firstBackoffSeconds"
    "source.maxBytes" "source.maxFiles" "source.maxRatio" "source.maxDownloadBytes"
    "userNamespaces" "azure.identityServiceAccounts" "egress" "git" "flux.enabled" "limits" "workers" "logLevel"
    "metrics.serviceMonitor" -}}
{{- $value := $.Values -}}
{{- range splitList "." $path -}}
{{- if kindIs "map" $value }}{{ $value = index $value . }}{{ end -}}
{{- end -}}
{{- if kindIs "invalid" $value -}}
{{- fail (printf "the value %s is missing. helm leaves out what is new in this chart if you upgrade with --reuse-values: use --reset-then-reuse-values" $path) -}}
{{- end -}}
{{- end -}}
{{- end }}
