{{/*
An operator without a daemon beside it, in replicas of which one leads: (dict "root" $ "component" "..." "args" (list ...)
"declares" true). With "declares" it applies the Backends of the values.
*/}}
{{- define "fairlead.operatorDeployment" -}}
{{- $root := .root -}}
{{- $labels := list $root .component -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "fairlead.fullname" $root }}-{{ .component }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "fairlead.labels" $labels | nindent 4 }}
spec:
  replicas: {{ $root.Values.operator.controller.replicas }}
  selector:
    matchLabels:
      {{- include "fairlead.selector" $labels | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "fairlead.labels" $labels | nindent 8 }}
      {{- if .declares }}
      annotations:
        # Backends are applied at start.
        checksum/backends: {{ include (print $root.Template.BasePath "/backend/configmap.yaml") $root | sha256sum }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "fairlead.operatorAccount" $root }}
      {{- include "fairlead.podBase" $root | nindent 6 }}
      {{- include "fairlead.spread" $labels | nindent 6 }}
      {{- include "fairlead.placement" $root.Values.operator.controller | nindent 6 }}
      containers:
        - name: operator
          {{- include "fairlead.operatorContainer" $root | nindent 10 }}
          args:
            {{- toYaml .args | nindent 12 }}
            {{- include "fairlead.operatorOptions" $root | nindent 12 }}
          volumeMounts:
            {{- if .declares }}
            - {name: backends, mountPath: /etc/fairlead/backends, readOnly: true}
            {{- end }}
            - {name: tmp, mountPath: /tmp}
            {{- include "fairlead.tokenMount" $root | nindent 12 }}
      volumes:
        {{- if .declares }}
        - name: backends
          configMap:
            name: {{ include "fairlead.fullname" $root }}-backends
        {{- end }}
        - name: tmp
          emptyDir: {sizeLimit: 64Mi}
        {{- include "fairlead.tokenVolume" $root | nindent 8 }}
{{- end }}
