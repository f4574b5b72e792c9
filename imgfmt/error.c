/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.c - a sentence fragment for each code
 */
#include "imgfmt/imgfmt.h"

static const struct {
	int kind;
	const char *text;
} faults[] = {
#define FAULT_ROW(name, kind, text) {IMG_ERR_##kind, text},
	IMG_FAULTS(FAULT_ROW)
#undef FAULT_ROW
};

static bool is_fault(int err)
{
	return err > IMG_FAULT_FIRST && err < IMG_FAULT_END;
}

int img_err_kind(int err)
{
	return is_fault(err) ? faults[err - IMG_FAULT_FIRST - 1].kind : err;
}

bool img_err_is_ours(int err)
{
	return err == IMG_ERR_MEMORY || err == IMG_ERR_INTERNAL;
}

const char *img_strerror(int err)
{
	if (is_fault(err))
		return faults[err - IMG_FAULT_FIRST - 1].text;
	switch (err) {
	case IMG_OK:
		return "no error";
	case IMG_ERR_SHORT:
		return "too few bytes";
	case IMG_ERR_MAGIC:
		return "not a hydroot image";
	case IMG_ERR_VERSION:
		return "a format version that this program does not know";
	case IMG_ERR_FEATURE:
		return "the image needs a feature that this program does not know";
	case IMG_ERR_CHECKSUM:
		return "the head is damaged: its checksum is wrong";
	case IMG_ERR_FIELD:
		return "a field is outside its limits or contradicts another";
	case IMG_ERR_RESERVED:
		return "a byte that must be zero is not";
	case IMG_ERR_DIGEST:
		return "wrong SHA-256";
	case IMG_ERR_LENGTH:
		return "wrong length";
	case IMG_ERR_ZSTD:
		return "not the zstd frame that it should be";
	case IMG_ERR_META:
		return "the metadata are not the JSON that they should be";
	case IMG_ERR_SEEKTABLE:
		return "the zstd seek table disagrees with the index";
	case IMG_ERR_SIGNATURE:
		return "no signature of the image verifies with the public key";
	case IMG_ERR_UNSIGNED:
		return "the image is not signed";
	case IMG_ERR_KEY:
		return "not an Ed25519 public key in PEM";
	case IMG_ERR_RANGE:
		return "outside the image";
	case IMG_ERR_MEMORY:
		return "out of memory";
	case IMG_ERR_IO:
		return "input or output failed";
	case IMG_ERR_PRIVATE_KEY:
		return "not an Ed25519 private key in PEM";
	case IMG_ERR_ENCRYPTED:
		return "the private key is encrypted: decrypt it with 'openssl pkey' first";
	case IMG_ERR_SLOTS:
		return "all four signature slots are taken by other keys";
	case IMG_ERR_INTERNAL:
		return "libcrypto or libzstd failed where it must not";
	}
	return "unknown error";
}
