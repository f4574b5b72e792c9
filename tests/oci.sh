# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# oci.sh - makes a folder in the OCI image layout; sourced behind lib.sh
#
#	oci_layer FOLDER [TAR-OPTION...]	what is in the folder is the next layer
#	oci_finish				$T/oci holds the image; its descriptor is $oci_manifest

declare -a oci_layers=() oci_diff_ids=()
mkdir -p "$T/oci/blobs/sha256"
echo '{"imageLayoutVersion":"1.0.0"}' >"$T/oci/oci-layout"

oci_blob() # FILE: into the layout; prints its digest
{
	local digest
	digest=$(sha256sum <"$1" | cut -d ' ' -f 1)
	cp "$1" "$T/oci/blobs/sha256/$digest"
	echo "$digest"
}

oci_descriptor() # TYPE FILE
{
	jq -nc --arg t "application/vnd.oci.image.$1" --arg d "sha256:$(oci_blob "$2")" \
		--argjson s "$(stat -c %s "$2")" '{mediaType: $t, digest: $d, size: $s}'
}

oci_list() { printf '%s\n' "$@" | jq -sc .; }

oci_layer()
{
	local folder=$1
	shift
	tar --sort=name --owner=0 --group=0 "$@" -cf "$T/layer" -C "$folder" .
	oci_diff_ids+=("\"sha256:$(sha256sum <"$T/layer" | cut -d ' ' -f 1)\"")
	gzip -nf "$T/layer"
	oci_layers+=("$(oci_descriptor layer.v1.tar+gzip "$T/layer.gz")")
	rm "$T/layer.gz"
}

# shellcheck disable=SC2034 # oci_manifest is for the tests
oci_finish()
{
	jq -nc --argjson d "$(oci_list "${oci_diff_ids[@]}")" \
		'{architecture: "amd64", os: "linux", rootfs: {type: "layers", diff_ids: $d}}' >"$T/config"
	jq -nc --argjson c "$(oci_descriptor config.v1+json "$T/config")" --argjson l "$(oci_list "${oci_layers[@]}")" \
		'{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config: $c, layers: $l}' >"$T/manifest"
	oci_manifest=$(oci_descriptor manifest.v1+json "$T/manifest")
	jq -nc --argjson m "$oci_manifest" '{schemaVersion: 2, manifests: [$m]}' >"$T/oci/index.json"
}
