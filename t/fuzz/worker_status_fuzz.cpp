// What lies in a page of agent_state, whoever wrote it: it is read within bounds, what is printed for scripts is JSON,
// and what is printed for people can do nothing to a terminal.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <sstream>

#include "agw/json/document.h"
#include "agw/status/page.h"

#include "agwctl/status_view.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agw;
  agwctl::Reading reading;
  if (size < 2) return 0;
  const unsigned lives = data[0];
  reading.boot_now = static_cast<std::int64_t>(data[1]) << 16U;
  reading.strange = data[1] % 3;
  // The input is laid over pages that were begun, so that it need not find the mark.
  alignas(64) static std::byte page[status::page_bytes];
  for (unsigned i = 0; i < 3; ++i) {
    std::memset(page, 0, sizeof page);
    status::Process process;
    status::Page written((std::span<std::byte, status::page_bytes>(page)));
    written.begin(process);
    if ((lives & 1U) != 0) written.write(status::Report{});
    const std::size_t at = 2 + i * (size - 2) / 3;
    const std::size_t count = (size - 2) / 3;
    // Behind the mark, or from it on.
    const std::size_t from = (lives & 2U) != 0 ? 0 : 8;
    std::memcpy(page + from, data + at, std::min(count, sizeof page - from));
    static_cast<void>(written.left());
    static_cast<void>(written.state());
    const auto head = status::read_head(page).head;
    if (!head) continue;
    const auto report = status::read_report(std::span<const std::byte>(page), *head);
    if (report.has_value() != (head->turn != 0)) std::abort();
    if (report) reading.processes.push_back({static_cast<agwctl::Told::Life>((lives >> (2 + 2 * i)) % 3), *report});
  }
  std::ostringstream json;
  std::ostringstream text;
  const int status = agwctl::print_status(reading, "/state", true, json);
  if (agwctl::print_status(reading, "/state", false, text) != status) std::abort();
  const std::string line = json.str();
  json::Document document;
  if (!document.read(line.substr(0, line.size() - 1), {})) std::abort();
  if ((line.find(R"("ok":true)") != std::string::npos) != (status == 0)) std::abort();
  for (const char c : text.str())
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f) std::abort();
  return 0;
}
