{{/* What is different when the release is held to some namespaces (scope.namespaces). */}}

{{/* The option that every process is told it by; empty: all namespaces. */}}
{{- define "fairlead.scopeOption" -}}
{{- with .Values.scope.namespaces -}}
- --namespaces={{ join "," . }}
{{- end -}}
{{- end }}

{{/* Telling a namespace that is gone, and our rights in it with it, from rights that are missing. */}}
{{- define "fairlead.scopeRule" -}}
{{- with .Values.scope.namespaces -}}
- apiGroups: [""]
  resources: [namespaces]
  resourceNames:
    {{- toYaml . | nindent 4 }}
  verbs: [list]
{{- end -}}
{{- end }}

{{/* The namespace in which the release tries itself. */}}
{{- define "fairlead.someNamespace" -}}
{{- first (default (list .Release.Namespace) .Values.scope.namespaces) -}}
{{- end }}

{{/*
Rights in namespaces, as a Role in each and its binding:
(dict "root" $ "namespaces" $list "name" $name "account" $account "component" "operator" "rules" $text "annotations" $text).
*/}}
{{- define "fairlead.rightsIn" -}}
{{- range $namespace := .namespaces }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $.name }}
  namespace: {{ $namespace }}
  labels:
    {{- include "fairlead.labels" (list $.root $.component) | nindent 4 }}
  {{- with $.annotations }}
  annotations:
    {{- . | nindent 4 }}
  {{- end }}
rules:
  {{- $.rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $.name }}
  namespace: {{ $namespace }}
  labels:
    {{- include "fairlead.labels" (list $.root $.component) | nindent 4 }}
  {{- with $.annotations }}
  annotations:
    {{- . | nindent 4 }}
  {{- end }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $.name }}
subjects:
  - kind: ServiceAccount
    name: {{ $.account }}
    namespace: {{ $.root.Release.Namespace }}
{{- end }}
{{- end }}
