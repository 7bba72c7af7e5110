#include "control.h"

#include <cstring>
#include <new>

#include "agw/audit/sealer.h"

namespace agw::audit {
namespace {

constexpr std::uint64_t layout = 0x616777636f6e7401;  // changes whenever Control does

}  // namespace

Control* Control::view(std::span<std::byte> memory) noexcept {
  if (memory.size() < sizeof(Control)) return nullptr;
  auto* const control = reinterpret_cast<Control*>(memory.data());
  if (control->mark == layout && control->believable()) return control;
  std::memset(memory.data(), 0, sizeof(Control));
  auto* const made = new (memory.data()) Control();
  made->mark = layout;
  return made;
}

std::size_t control_bytes() noexcept { return sizeof(Control); }

void want_chain(JournalMemory& journal, std::string_view root, Random& random) {
  Control* const control = Control::view(journal.control());
  if (control == nullptr) return;
  const std::string id = root.empty() ? std::string() : key_id(root);
  const std::uint64_t number = control->start.number.load(std::memory_order_acquire);
  const ChainState& now = control->states[control->current()];
  const bool waiting = now.start != number;
  const std::string_view coming = waiting ? control->start.key_id.text() : now.key_id.text();
  if (number % 2 == 0 && (waiting || now.open != 0) && coming == id) return;
  control->start.number.store(number | 1U, std::memory_order_release);
  control->start.chain.set(random.hex(4));
  control->start.key_id.set(id);
  control->start.key = root.empty() ? ChainKey{} : first_key(root, control->start.chain.text());
  control->start.number.store((number | 1U) + 1, std::memory_order_release);
}

}  // namespace agw::audit
