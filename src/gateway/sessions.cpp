#include "agw/gateway/sessions.h"

#include <algorithm>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agw/base/encoding.h"

namespace agw::gateway {
namespace {

constexpr std::string_view bound = "mcp session 1";
constexpr std::size_t digest_bytes = 32;
constexpr std::size_t longest_version = 64;

std::string_view view_of(const Sha256& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

bool is_visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

/// owner ‖ capabilities (2 bytes) ‖ version's length (1) ‖ version ‖ backend's id, if it has one.
std::string written(const Session& session, const Sha256& owner) {
  const std::string_view version = std::string_view(session.version).substr(0, longest_version);
  std::string out(view_of(owner));
  out += static_cast<char>(session.capabilities >> 8U);
  out += static_cast<char>(session.capabilities & 0xffU);
  out += static_cast<char>(version.size());
  out += version;
  out += session.backend_id;
  return out;
}

struct Written {
  std::string_view owner;
  Session session;
};

std::optional<Written> read(std::string_view plain) {
  constexpr std::size_t head = digest_bytes + 3;
  if (plain.size() < head) return std::nullopt;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(plain[at]); };
  const std::size_t length = byte(digest_bytes + 2);
  if (plain.size() - head < length) return std::nullopt;
  Written out;
  out.owner = plain.substr(0, digest_bytes);
  out.session.capabilities = static_cast<mcp::ClientCapabilities>((byte(digest_bytes) << 8U) | byte(digest_bytes + 1));
  out.session.version = plain.substr(head, length);
  out.session.backend_id = plain.substr(head + length);
  return out;
}

}  // namespace

Sha256 owner_digest(const Principal& principal, const Location& location) {
  std::string text;
  const auto add = [&text](std::string_view part) {
    text += std::to_string(part.size());
    text += ':';
    text += part;
  };
  for (const std::string_view part :
       {std::string_view(principal.issuer_url), std::string_view(principal.user), std::string_view(principal.agent),
        std::string_view(principal.tenant), std::string_view(location.resource.identifier),
        std::string_view(location.name_space)})
    add(part);
  // What an agent began under one it doesn't go on with under another.
  for (const std::string& agent : principal.chain) add(agent);
  return sha256(text);
}

/// Bounded; the least recently used goes first. An id is remembered for the caller that it was opened for: any other
/// caller's look finds nothing.
class Sessions::Memory {
 public:
  Memory(KeyedHash hash, std::size_t most) : hash_(hash), most_(most) {}

  [[nodiscard]] SessionPtr find(std::string_view sealed, const Principal& caller, const Location& location) {
    const auto found = index_.find(slot_of(sealed));
    if (found == index_.end()) return nullptr;
    const Entry& entry = *found->second;
    if (entry.location != &location || entry.sealed != sealed || entry.user != caller.user ||
        entry.agent != caller.agent || entry.tenant != caller.tenant || entry.issuer_url != caller.issuer_url ||
        entry.chain != caller.chain)
      return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return entry.session;
  }

  void remember(std::string_view sealed, const Principal& owner, const Location& location, SessionPtr session) {
    const std::uint64_t slot = slot_of(sealed);
    if (const auto known = index_.find(slot); known != index_.end()) {
      entries_.erase(known->second);
      index_.erase(known);
    }
    Entries made;
    made.push_front({slot, std::string(sealed), owner.issuer_url, owner.user, owner.agent, owner.tenant, owner.chain,
                     &location, std::move(session)});
    index_.emplace(slot, made.begin());
    entries_.splice(entries_.begin(), made);
    if (entries_.size() <= most_) return;
    index_.erase(entries_.back().slot);
    entries_.pop_back();
  }

 private:
  struct Entry {
    std::uint64_t slot;
    std::string sealed;
    std::string issuer_url;
    std::string user;
    std::string agent;
    std::string tenant;
    std::vector<std::string> chain;
    const Location* location;
    SessionPtr session;
  };
  using Entries = std::list<Entry>;

  /// Ids differ where their tags are.
  [[nodiscard]] std::uint64_t slot_of(std::string_view sealed) const noexcept {
    constexpr std::size_t hashed_tail = 24;
    return hash_(sealed.substr(sealed.size() - std::min(sealed.size(), hashed_tail)));
  }

  KeyedHash hash_;
  std::size_t most_;
  Entries entries_;
  std::unordered_map<std::uint64_t, Entries::iterator> index_;
};

Sessions::Sessions(const SealKeys& keys, Random& random, std::size_t most_remembered)
    : keys_(keys),
      random_(random),
      memory_(std::make_unique<Memory>(KeyedHash(random.next(), random.next()), most_remembered)) {}

Sessions::~Sessions() = default;

std::string Sessions::seal(const Session& session, const Principal& owner, const Location& location) const {
  const std::string& id = session.backend_id;
  if (id.empty() || id.size() > longest_backend_id || !is_visible(id)) return {};
  return make(session, owner, location);
}

std::string Sessions::make(const Session& session, const Principal& owner, const Location& location) const {
  return base64url_encode(keys_.seal(written(session, owner_digest(owner, location)), bound, random_));
}

Result<SessionPtr, Reason> Sessions::open(std::string_view sealed, const Principal& caller, const Location& location) {
  if (auto known = memory_->find(sealed, caller, location)) return known;
  const auto bytes = base64url_decode(sealed);
  const auto plain = bytes ? keys_.open(*bytes, bound) : std::nullopt;
  auto found = plain ? read(*plain) : std::nullopt;
  if (!found) return fail(Reason::session_unknown);
  if (found->owner != view_of(owner_digest(caller, location))) return fail(Reason::session_foreign);
  auto session = std::make_shared<const Session>(std::move(found->session));
  memory_->remember(sealed, caller, location, session);
  return session;
}

}  // namespace agw::gateway
