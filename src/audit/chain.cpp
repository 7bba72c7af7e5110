#include "agw/audit/chain.h"

#include <charconv>
#include <cstring>
#include <stdexcept>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "agw/base/encoding.h"

#include "cursor.h"

namespace agw::audit {
namespace {

std::string_view bytes_of(const Sha256& digest) noexcept {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

/// A decimal number without leading zeros.
std::optional<std::uint64_t> number_of(std::string_view text) noexcept {
  std::uint64_t value = 0;
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_word(std::string_view text) noexcept {
  if (text.empty() || text.size() > 32) return false;
  for (const char c : text)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  return true;
}

/// Takes `name` and what follows it off the end.
std::optional<std::string_view> take(std::string_view& text, std::string_view name) noexcept {
  const std::size_t at = text.rfind(name);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view value = text.substr(at + name.size());
  text = text.substr(0, at);
  return value;
}

/// Takes a member whose value is a string.
std::optional<std::string_view> take_string(std::string_view& text, std::string_view name) noexcept {
  auto value = take(text, name);
  if (!value || !value->ends_with('"')) return std::nullopt;
  value->remove_suffix(1);
  if (value->find('"') != std::string_view::npos) return std::nullopt;
  return value;
}

}  // namespace

std::string key_id(std::string_view root) noexcept {
  const Sha256 digest = hmac_sha256(root, "agw audit key id");
  return "k" + hex_encode(bytes_of(digest).substr(0, 4));
}

ChainKey first_key(std::string_view root, std::string_view chain) {
  return hmac_sha256(root, "agw audit chain " + std::string(chain));
}

ChainKey next_key(const ChainKey& key) noexcept { return hmac_sha256(bytes_of(key), "agw audit next"); }

struct LineMac::State {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  EVP_MAC_CTX* context = mac != nullptr ? EVP_MAC_CTX_new(mac) : nullptr;
  ~State() {
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
  }
};

LineMac::LineMac() : state_(std::make_unique<State>()) {
  if (state_->context == nullptr) {
    ERR_clear_error();
    throw std::runtime_error("OpenSSL has no HMAC");
  }
}

LineMac::~LineMac() = default;

void LineMac::set_key(const ChainKey& key) {
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  if (EVP_MAC_init(state_->context, key.data(), key.size(), params) == 1) return;
  ERR_clear_error();
  throw std::runtime_error("OpenSSL's HMAC failed");
}

Sha256 LineMac::of(const Sha256& previous, std::string_view bytes) {
  Sha256 out{};
  std::size_t size = 0;
  const bool done =
      EVP_MAC_init(state_->context, nullptr, 0, nullptr) == 1 &&
      EVP_MAC_update(state_->context, previous.data(), previous.size()) == 1 &&
      EVP_MAC_update(state_->context, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()) == 1 &&
      EVP_MAC_final(state_->context, out.data(), &size, out.size()) == 1;
  if (done && size == out.size()) return out;
  ERR_clear_error();
  throw std::runtime_error("OpenSSL's HMAC failed");
}

std::optional<LineTail> parse_tail(std::string_view line) {
  LineTail out;
  if (!line.ends_with('}')) return std::nullopt;
  std::string_view rest = line.substr(0, line.size() - 1);
  if (rest.ends_with('"')) {
    const auto mac = take_string(rest, R"(,"mac":")");
    if (!mac) return std::nullopt;
    out.signed_size = rest.size();
    const auto bytes = base64url_decode(*mac);
    if (!bytes || bytes->size() != out.mac.size()) return std::nullopt;
    std::memcpy(out.mac.data(), bytes->data(), out.mac.size());
    const auto key = take_string(rest, R"(,"key":")");
    if (!key) return std::nullopt;
    const std::size_t dot = key->find('.');
    if (dot == std::string_view::npos || !is_word(key->substr(0, dot))) return std::nullopt;
    const auto step = number_of(key->substr(dot + 1));
    if (!step) return std::nullopt;
    out.key = key->substr(0, dot);
    out.step = *step;
  } else {
    out.signed_size = rest.size();
  }
  const auto seq_text = take(rest, R"(,"seq":)");
  const auto seq = seq_text ? number_of(*seq_text) : std::nullopt;
  const auto chain = take_string(rest, R"(,"chain":")");
  if (!seq || !chain || !is_word(*chain)) return std::nullopt;
  out.seq = *seq;
  out.chain = *chain;
  return out;
}

void append_tail(std::string& out, std::string_view chain, std::uint64_t seq, std::string_view key,
                 std::uint64_t step) {
  constexpr std::size_t fixed_bytes = 100;
  const std::size_t begin = out.size();
  out.resize(begin + chain.size() + key.size() + fixed_bytes);
  Cursor to(out.data() + begin, 0);
  to.literal(R"(,"chain":")");
  to.raw(chain);
  to.literal(R"(","seq":)");
  to.number(seq);
  if (!key.empty()) {
    to.literal(R"(,"key":")");
    to.raw(key);
    to.literal(".");
    to.number(step);
    to.literal("\"");
  }
  out.resize(static_cast<std::size_t>(to.at() - out.data()));
}

void append_mac(std::string& out, const Sha256& mac) {
  out += R"(,"mac":")";
  out += base64url_encode(bytes_of(mac));
  out += '"';
}

}  // namespace agw::audit
