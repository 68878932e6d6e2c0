{{/* What a backend in the values becomes. */}}

{{/* The names of the backends that are not null and have no daemon here, comma separated. */}}
{{- define "fairlead.remoteBackends" -}}
{{- $names := list -}}
{{- range $name, $backend := .Values.backends -}}
{{- if and $backend (not (dig "tgtd" "enabled" false $backend)) -}}
{{- $names = append $names $name -}}
{{- end -}}
{{- end -}}
{{- join "," $names -}}
{{- end }}

{{/* A backend with a daemon, with every default filled in: (list $ $backend). YAML; read it with fromYaml. */}}
{{- define "fairlead.withDefaults" -}}
{{- $defaults := dict
  "driver" "iscsi-tgt" "default" false "parameters" (dict) "nodeSelector" (dict) "tolerations" (list) "affinity" (dict)
  "tgtd" (dict
    "enabled" false "ioThreads" 1 "resources" (dict)
    "storage" (dict "type" "PersistentVolumeClaim" "size" "10Gi" "hostPath" "")
    "portal" (dict
      "type" "Service" "serviceType" "ClusterIP" "serviceAnnotations" (dict) "clusterIP" "" "address" "" "port" 3260)) -}}
{{- toYaml (mergeOverwrite $defaults (deepCopy .)) -}}
{{- end }}

{{/* The Backend object: (dict "root" $ "name" $name "backend" $full). */}}
{{- define "fairlead.backendObject" -}}
{{- $tgtd := .backend.tgtd -}}
{{- $parameters := deepCopy .backend.parameters -}}
{{- if $tgtd.enabled -}}
{{- $_ := mergeOverwrite $parameters (dict
  "dataDir" "/data/volumes" "runDir" "/run/fairlead" "socketPath" "/run/fairlead/tgtd.0") -}}
{{- if eq $tgtd.portal.type "Node" -}}
{{- $host := required (printf "backends.%s.tgtd.portal.address is needed with type Node" .name) $tgtd.portal.address -}}
{{- $_ := set $parameters "portal" (printf "%s:%d" (contains ":" $host | ternary (printf "[%s]" $host) $host) (int $tgtd.portal.port)) -}}
{{- end -}}
{{- end -}}
apiVersion: fairlead.dev/v1alpha1
kind: Backend
metadata:
  name: {{ .name }}
  labels:
    app.kubernetes.io/instance: {{ .root.Release.Name }}
    app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  {{- if and $tgtd.enabled (eq $tgtd.portal.type "Service") }}
  annotations:
    # Fairlead's operator writes this Service's address into the parameters.
    fairlead.dev/portal-service: {{ printf "%s-portal-%s:%d" (include "fairlead.fullname" .root) .name (int $tgtd.portal.port) }}
  {{- end }}
spec:
  driver: {{ .backend.driver }}
  default: {{ .backend.default }}
  {{- with .backend.allowedNamespaces }}
  allowedNamespaces:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $parameters }}
  parameters:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
