{{/* Names and labels. */}}

{{- define "fairlead.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* 40 characters leave room for suffixes and for StatefulSets' pod labels, which hold the name and a hash. */}}
{{- define "fairlead.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "fairlead.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "fairlead.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "fairlead.operatorAccount" -}}
{{- default (printf "%s-operator" (include "fairlead.fullname" .)) .Values.operator.serviceAccount.name -}}
{{- end }}

{{- define "fairlead.apiAccount" -}}
{{- default (printf "%s-api" (include "fairlead.fullname" .)) .Values.api.serviceAccount.name -}}
{{- end }}

{{- define "fairlead.uninstallName" -}}
{{- printf "%s-uninstall" (include "fairlead.fullname" .) -}}
{{- end }}

{{/* Selector labels: (list $ "component"). They can never change, so they are few. */}}
{{- define "fairlead.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "fairlead.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* All labels: (list $ "component"). */}}
{{- define "fairlead.labels" -}}
{{- $root := index . 0 -}}
{{ include "fairlead.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* An image: (list $ "operator"). */}}
{{- define "fairlead.image" -}}
{{- $root := index . 0 -}}
{{- $name := printf "fairlead/%s:%s" (index . 1) (default $root.Chart.AppVersion $root.Values.image.tag) -}}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $name }}
{{- end }}

{{/* "true" when the facade makes projects' namespaces. */}}
{{- define "fairlead.createsNamespaces" -}}
{{- if .Values.scope.namespaces -}}
{{- if .Values.api.createNamespaces }}{{ fail "api.createNamespaces makes others than those of scope.namespaces" }}{{ end -}}
false
{{- else if kindIs "bool" .Values.api.createNamespaces -}}
{{- .Values.api.createNamespaces -}}
{{- else -}}
{{- eq .Values.api.auth.mode "keystone" -}}
{{- end -}}
{{- end }}
