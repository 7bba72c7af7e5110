#include "records.h"

#include <array>

#include "agw/base/encoding.h"

#include "compose.h"

namespace agw::audit {
namespace {

std::string_view type_of(BatchKind kind) noexcept {
  switch (kind) {
    case BatchKind::events: break;
    case BatchKind::open: return "audit.open";
    case BatchKind::close: return "audit.close";
    case BatchKind::lost: return "audit.lost";
    case BatchKind::damaged: return "audit.damaged";
  }
  return "audit.unknown";
}

/// What verify compares: how the chain before this one ended.
std::string previous_of(const ChainState& before) {
  if (before.chain.text().empty()) return "first";
  std::string out = "previous " + std::string(before.chain.text()) + " " + std::to_string(before.seq);
  if (!before.key_id.text().empty())
    out += " " + base64url_encode({reinterpret_cast<const char*>(before.mac.data()), before.mac.size()});
  return out;
}

std::string text_of(const Batch& batch) {
  switch (batch.kind) {
    case BatchKind::events: break;
    case BatchKind::open: return "A chain of audit lines begins.";
    case BatchKind::close: return "The chain of audit lines ends here.";
    case BatchKind::lost: return std::to_string(batch.count) + " calls passed without an event: the journal was full.";
    case BatchKind::damaged:
      return std::to_string(batch.count) + " entries of the journal could not be read and were dropped.";
  }
  return {};
}

}  // namespace

void append_record(std::string& out, const Batch& batch, const ChainState& before) {
  const std::string text = text_of(batch);
  const std::string detail = batch.kind == BatchKind::open ? previous_of(before) : std::string();
  Event event;
  event.id = batch.id.text();
  event.time = WallTime(Milliseconds(batch.time));
  event.type = type_of(batch.kind);
  event.decision = DecisionKind::allow;
  event.reason = Reason::allowed;
  event.text = text;
  event.detail = detail;
  std::array<char, 2048> composed;
  Holes holes;
  Composer composer;
  const std::size_t size = composer.compose(event, composed.data(), composed.size(), holes);
  append_joined(
      out, {composed.data(), size}, holes,
      {.outcome = static_cast<std::uint8_t>(Outcome::ok), .reason = static_cast<std::uint8_t>(Reason::allowed)}, {});
}

}  // namespace agw::audit
