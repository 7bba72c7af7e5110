#include "agw/idempotency/keys.h"

#include "agw/base/encoding.h"

namespace agw::idempotency {
namespace {

std::string bytes_of(const Sha256& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

}  // namespace

std::string subject_of(std::string_view tenant, std::string_view user, std::string_view agent,
                       std::string_view operation, std::string_view key) {
  std::string out;
  for (const std::string_view part : {tenant, user, agent, operation, key}) {
    out += std::to_string(part.size());
    out += ':';
    out += part;
  }
  return out;
}

Keys::Keys(const std::vector<Secret>& files) : seals_(files, "agw idempotency") {
  naming_.reserve(files.size());
  for (const Secret& file : files) naming_.emplace_back(derived_key(file, "agw idempotency name"));
}

std::string Keys::name(std::size_t key, std::string_view subject) const {
  return base64url_encode(bytes_of(hmac_sha256(naming_[key].reveal(), "call " + std::string(subject))));
}

std::string Keys::arguments(std::size_t key, std::string_view subject, const Sha256& digest) const {
  const std::string text = "arguments " + bytes_of(digest) + std::string(subject);
  return base64url_encode(bytes_of(hmac_sha256(naming_[key].reveal(), text)));
}

}  // namespace agw::idempotency
