// What a dead worker or a broken disk leaves in the journal: whatever it is, every line is JSON, the chain holds, and
// no line says what no worker wrote as a whole.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string_view>

#include "agw/audit/sealer.h"
#include "agw/audit/verify.h"
#include "agw/audit/writer.h"
#include "agw/json/document.h"

#include "support/audit.h"

namespace {

const std::string root(32, 'r');

/// Some bytes of the input are laid over the memory: offset, length, bytes.
void scribble(std::vector<std::uint64_t>& memory, const std::uint8_t*& data, std::size_t& size, unsigned times) {
  auto* const bytes = reinterpret_cast<std::uint8_t*>(memory.data());
  const std::size_t room = memory.size() * sizeof(std::uint64_t);
  for (unsigned i = 0; i < times && size >= 4; ++i) {
    const std::size_t at =
        (data[0] | static_cast<std::size_t>(data[1]) << 8U | static_cast<std::size_t>(data[2]) << 16U) % room;
    const std::size_t count = std::min({static_cast<std::size_t>(data[3] % 64) + 1, size - 4, room - at});
    std::memcpy(bytes + at, data + 4, count);
    data += 4 + count;
    size -= 4 + count;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agw;
  test::SharedJournal shared(2, 16U * 1024);
  test::FakeClock clock;
  test::FakeRandom random;
  test::FakeLog log;
  test::MemoryMetrics metrics;
  test::MemoryLog file;
  {
    test::MemoryJournal master(shared);
    audit::want_chain(master, root, random);
  }
  if (size == 0) return 0;
  const bool control_too = (*data & 1U) != 0;
  const bool seal_before = (*data & 2U) != 0;
  const unsigned events = *data >> 2U & 7U;
  ++data;
  --size;
  test::MemoryJournal dead(shared);
  {
    audit::Writer writer({&dead, log, metrics, audit::OnError::deny});
    std::vector<audit::Writer::Record> open;
    for (unsigned i = 0; i < events; ++i) {
      audit::Event event;
      event.id = "0123";
      event.type = "mcp.tools.call";
      const std::string large(i == 3 ? 3000 : 3, 'x');
      event.path = large;
      event.method = "GET";
      auto record = writer.begin(event);
      if (!record) break;
      open.push_back(*std::move(record));
      if (i % 2 == 0) open.back().finish({.outcome = audit::Outcome::ok});
    }
    if (seal_before) {
      test::MemoryJournal memory(shared);
      audit::Sealer({memory, file, clock, random, log, metrics, audit::Sync::none}).pass();
    }
    dead.die();
    open.clear();
  }
  const std::string before = file.text;
  if (control_too) scribble(shared.control, data, size, 4);
  for (auto& segment : shared.memory) scribble(segment, data, size, 16);

  {
    // The next start.
    test::MemoryJournal master(shared);
    audit::want_chain(master, root, random);
  }
  test::MemoryJournal memory(shared);
  audit::Sealer sealer({memory, file, clock, random, log, metrics, audit::Sync::none});
  for (int i = 0; i < 3; ++i) sealer.pass();
  if (!file.text.starts_with(before)) std::abort();
  if (!file.text.empty() && file.text.back() != '\n') std::abort();
  json::Document document;
  for (std::size_t at = 0; at < file.text.size();) {
    const std::size_t end = file.text.find('\n', at);
    if (!document.read(std::string_view(file.text).substr(at, end - at), {})) std::abort();
    at = end + 1;
  }
  if (control_too) return 0;  // who can write the control block has the key
  if (!sealer.close()) std::abort();
  std::vector<Secret> keys;
  keys.emplace_back(std::string(root));
  audit::Verifier verifier(keys, {.whole = true});
  std::istringstream in(file.text);
  verifier.read("log", in);
  verifier.finish();
  if (!verifier.findings().empty()) std::abort();
  return 0;
}
