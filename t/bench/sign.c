// Access tokens by the ten thousands: ES256 over one template, a line each.
// Usage: sign KEY.pem COUNT HEADER_BASE64URL CLAIMS_FILE; "NNNNNN" in the claims becomes the token's number.
#define _GNU_SOURCE
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t base64url(const unsigned char* in, size_t size, char* out) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  size_t at = 0;
  for (size_t i = 0; i < size; i += 3) {
    const size_t left = size - i < 3 ? size - i : 3;
    unsigned bits = (unsigned)in[i] << 16;
    if (left > 1) bits |= (unsigned)in[i + 1] << 8;
    if (left > 2) bits |= in[i + 2];
    for (size_t k = 0; k < left + 1; ++k) out[at++] = letters[bits >> (18 - 6 * k) & 63];
  }
  return at;
}

int main(int argc, char** argv) {
  FILE* key_file = argc == 5 ? fopen(argv[1], "r") : NULL;
  FILE* claims_file = argc == 5 ? fopen(argv[4], "r") : NULL;
  if (key_file == NULL || claims_file == NULL) {
    fprintf(stderr, "usage: sign KEY.pem COUNT HEADER_BASE64URL CLAIMS_FILE\n");
    return 2;
  }
  EVP_PKEY* key = PEM_read_PrivateKey(key_file, NULL, NULL, NULL);
  static char claims[8192];
  const size_t claims_size = fread(claims, 1, sizeof claims - 1, claims_file);
  char* places[8];
  int known = 0;
  for (char* at = claims; known < 8 && (at = strstr(at, "NNNNNN")) != NULL; at += 6) places[known++] = at;
  static char token[16384];
  const long count = strtol(argv[2], NULL, 10);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  for (long n = 0; n < count; ++n) {
    char number[32];
    snprintf(number, sizeof number, "%06ld", n);
    for (int i = 0; i < known; ++i) memcpy(places[i], number, 6);

    size_t size = (size_t)sprintf(token, "%s.", argv[3]);
    size += base64url((const unsigned char*)claims, claims_size, token + size);
    unsigned char der[128];
    size_t der_size = sizeof der;
    if (EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(context, der, &der_size, (const unsigned char*)token, size) != 1)
      return 1;
    // RFC 7518, 3.4: r and s, 32 bytes each.
    const unsigned char* in = der;
    ECDSA_SIG* signature = d2i_ECDSA_SIG(NULL, &in, (long)der_size);
    unsigned char raw[64];
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + 32, 32);
    ECDSA_SIG_free(signature);
    token[size++] = '.';
    size += base64url(raw, sizeof raw, token + size);
    token[size++] = '\n';
    fwrite(token, 1, size, stdout);
    EVP_MD_CTX_reset(context);
  }
  return fflush(stdout) == 0 ? 0 : 1;
}
