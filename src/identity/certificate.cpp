#include <ctime>
#include <memory>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "agw/base/digest.h"
#include "agw/base/encoding.h"
#include "agw/identity/client_certificate.h"

namespace agw::identity {
namespace {

constexpr std::size_t most_bytes = 64U << 10;
constexpr std::size_t most_names = 256;
constexpr int bit_digital_signature = 0;
constexpr int bit_certificate_sign = 5;
constexpr int bit_list_sign = 6;

struct Deleter {
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
  void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
  void operator()(BASIC_CONSTRAINTS* constraints) const noexcept { BASIC_CONSTRAINTS_free(constraints); }
  void operator()(ASN1_BIT_STRING* bits) const noexcept { ASN1_BIT_STRING_free(bits); }
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
template <class T>
using Owned = std::unique_ptr<T, Deleter>;

/// An extension that is absent is null; false: it stands there twice, or can't be read.
template <class T>
bool extension(const X509* certificate, int kind, Owned<T>& out) {
  int critical = 0;
  out.reset(static_cast<T*>(X509_get_ext_d2i(certificate, kind, &critical, nullptr)));
  return out != nullptr || critical == -1;
}

std::optional<WallTime> time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return from_unix(::timegm(&parts));
}

std::optional<std::string> subject_of(const X509* certificate) {
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  if (!out || X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0)
    return std::nullopt;
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return size <= 0 ? std::string() : std::string(text, static_cast<std::size_t>(size));
}

/// What isn't plain ASCII could read differently elsewhere: a name with a NUL ends early for some.
bool take_uris(const GENERAL_NAMES* names, std::vector<std::string>& uris) {
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names);
  if (count > static_cast<int>(most_names)) return false;
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const text = name->d.uniformResourceIdentifier;
    std::string uri(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                    static_cast<std::size_t>(ASN1_STRING_length(text)));
    for (const char c : uri)
      if (c <= 0x20 || c >= 0x7F) return false;
    uris.push_back(std::move(uri));
  }
  return true;
}

std::optional<ClientCertificate> read(std::string_view der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = bytes + der.size();
  const Owned<X509> certificate(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
  if (!certificate || bytes != end) return std::nullopt;
  Owned<GENERAL_NAMES> names;
  Owned<BASIC_CONSTRAINTS> constraints;
  Owned<ASN1_BIT_STRING> usage;
  if (!extension(certificate.get(), NID_subject_alt_name, names) ||
      !extension(certificate.get(), NID_basic_constraints, constraints) ||
      !extension(certificate.get(), NID_key_usage, usage))
    return std::nullopt;
  ClientCertificate out;
  const auto subject = subject_of(certificate.get());
  const auto from = time_of(X509_get0_notBefore(certificate.get()));
  const auto until = time_of(X509_get0_notAfter(certificate.get()));
  if (!subject || !from || !until || !take_uris(names.get(), out.uris)) return std::nullopt;
  out.subject = *subject;
  out.from = *from;
  out.until = *until;
  const auto has = [&](int bit) { return usage != nullptr && ASN1_BIT_STRING_get_bit(usage.get(), bit) == 1; };
  out.signs = has(bit_digital_signature);
  out.authority = (constraints != nullptr && constraints->ca != 0) || has(bit_certificate_sign) || has(bit_list_sign);
  const Sha256 digest = sha256(der);
  out.thumbprint = base64url_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
  return out;
}

}  // namespace

std::optional<ClientCertificate> read_certificate(std::string_view der) {
  if (der.size() > most_bytes) return std::nullopt;
  auto out = read(der);
  ERR_clear_error();
  return out;
}

}  // namespace agw::identity
