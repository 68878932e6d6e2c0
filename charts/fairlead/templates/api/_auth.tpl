{{/* The facade's options that say who vouches for callers. */}}
{{- define "fairlead.authOptions" -}}
- --auth-mode={{ .Values.api.auth.mode }}
{{- if eq .Values.api.auth.mode "noauth" }}
# Said in values.yaml and in NOTES.txt; the network policy is what stands before it.
- --allow-insecure-noauth
{{- else if eq .Values.api.auth.mode "kubernetes" }}
{{- with .Values.api.auth.kubernetes.audiences }}
- --token-audiences={{ join "," . }}
{{- end }}
{{- else }}
{{- with .Values.api.auth.keystone }}
- --keystone-url={{ required "api.auth.keystone.url is needed with mode keystone" .url }}
{{- with .publicUrl }}
- --keystone-public-url={{ . }}
{{- end }}
- --keystone-user={{ .user }}
- --keystone-user-domain={{ .userDomain }}
- --keystone-project={{ .project }}
- --keystone-project-domain={{ .projectDomain }}
- --keystone-password-file=/etc/fairlead/keystone/password
{{- if .caConfigMap.name }}
- --keystone-ca-file=/etc/fairlead/keystone-ca/ca.crt
{{- end }}
{{- end }}
{{- end }}
{{- end }}
