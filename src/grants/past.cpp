#include "past.h"

#include <algorithm>
#include <charconv>

#include "agw/base/digest.h"

namespace agw::grants {
namespace {

Progress progress_of(const Meta& meta) noexcept {
  // Any fixed key: all workers must come to the same number.
  return {KeyedHash(0, 0)(meta.incarnation), meta.confirmed, meta.version};
}

/// Cuts a number off, and the space before it.
bool take_number(std::string_view& text, std::uint64_t& out) {
  if (!text.starts_with(' ')) return false;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), out);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace

std::string History::text() const { return replid + " " + std::to_string(offset) + " " + std::to_string(confirmed); }

std::optional<History> History::read(std::string_view text) {
  History out;
  out.replid = text.substr(0, text.find(' '));
  text.remove_prefix(out.replid.size());
  if (out.replid.empty() || !take_number(text, out.offset) || !take_number(text, out.confirmed) || !text.empty())
    return std::nullopt;
  return out;
}

bool continues(const ServerFacts& server, std::uint64_t confirmed, const History& known) noexcept {
  if (server.replid == known.replid || confirmed > known.confirmed) return true;
  return server.former == known.replid && server.continued_from > known.offset;
}

std::string Lineage::text() const {
  return std::to_string(witness) + " " + std::to_string(confirmed) + " " + moving_to;
}

std::optional<Lineage> Lineage::read(std::string_view text) {
  const std::string spaced = " " + std::string(text);
  std::string_view rest = spaced;
  Lineage out;
  if (!take_number(rest, out.witness) || !take_number(rest, out.confirmed) || !rest.starts_with(' '))
    return std::nullopt;
  out.moving_to = rest.substr(1);
  return out;
}

bool continues(const SlotState& slot, std::uint64_t confirmed, const Lineage& known) noexcept {
  if (confirmed > known.confirmed) return true;
  const bool stranded = !known.moving_to.empty() && slot.owner != known.moving_to && slot.moving_to != known.moving_to;
  return slot.witness >= known.witness && !stranded;
}

std::optional<Lineage> Past::lineage(const std::string& tenant) const {
  if (const auto blob = zone_.read("slot of " + tenant)) return Lineage::read(blob->bytes);
  const auto own = checked_.find(tenant);
  return own == checked_.end() ? std::nullopt : own->second.lineage;
}

void Past::remember(const std::string& tenant, Lineage lineage) {
  static_cast<void>(zone_.write("slot of " + tenant, lineage.text(), clock_->now()));
  checked_[tenant].lineage = std::move(lineage);
}

std::uint64_t Past::witness(const std::string& tenant) const {
  const auto known = lineage(tenant);
  return known ? known->witness : 0;
}

void Past::raised(const std::string& tenant, std::uint64_t witness) {
  Lineage now = lineage(tenant).value_or(Lineage());
  if (witness <= now.witness) return;
  now.witness = witness;
  remember(tenant, std::move(now));
}

bool Past::slot_continued(const std::string& tenant, std::uint64_t confirmed) {
  const auto known = lineage(tenant);
  if (known && !continues(*slot_, confirmed, *known)) return false;
  Lineage now{slot_->witness, confirmed, slot_->moving_to};
  // Who hears of a confirmation late isn't told of an older one by that.
  if (known && confirmed < known->confirmed) now = *known;
  if (!known || now.text() != known->text()) remember(tenant, std::move(now));
  return true;
}

bool Past::admits(const std::string& tenant, const Meta& meta) {
  if (!zone_.advance(policy_key(tenant, "meta"), progress_of(meta))) return false;
  if (slot_ != nullptr) return slot_continued(tenant, meta.confirmed);
  return server_ == nullptr || !server_->fails_over() || continued(tenant, meta.confirmed);
}

bool Past::continued(const std::string& tenant, std::uint64_t confirmed) {
  Checked& checked = checked_[tenant];
  if (checked.look == server_->looks() && checked.confirmed == confirmed) return true;
  const ServerFacts& server = server_->facts();
  if (server.replid.empty()) return false;
  const std::string name = "history of " + tenant;
  const auto blob = zone_.read(name);
  std::optional<History> known;
  if (blob) {
    known = History::read(blob->bytes);
  } else if (!checked.history.replid.empty()) {
    known = checked.history;
  }
  if (known && !continues(server, confirmed, *known)) return false;
  History now{server.replid, server.offset, confirmed};
  const auto writes = writes_->heard();
  if (known && known->replid == now.replid) {
    const bool nothing_new = writes && writes == checked.writes && checked.history.replid == now.replid;
    now.offset = nothing_new ? known->offset : std::max(now.offset, known->offset);
    now.confirmed = std::max(now.confirmed, known->confirmed);
  }
  const bool same = known && blob && now.text() == known->text();
  if (!same) static_cast<void>(zone_.write(name, now.text(), clock_->now()));
  checked = {server_->looks(), writes, confirmed, std::move(now), std::nullopt};
  return true;
}

}  // namespace agw::grants
