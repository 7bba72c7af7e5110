#include "agw/gateway/tasks.h"

#include <utility>

#include "agw/base/digest.h"
#include "agw/base/encoding.h"
#include "agw/gateway/sessions.h"

#include "task_table.h"

namespace agw::gateway {
namespace {

constexpr std::string_view bound = "mcp task 1";
constexpr std::size_t digest_bytes = 32;

std::string_view view_of(const Sha256& digest) { return {reinterpret_cast<const char*>(digest.data()), digest.size()}; }

void append_part(std::string& out, std::string_view part) {
  out += static_cast<char>(part.size() >> 8U);
  out += static_cast<char>(part.size() & 0xffU);
  out += part;
}

/// owner ‖ whether the arguments are here (1 byte) ‖ tool ‖ arguments ‖ resource ‖ backend's id; a part after its
/// length (2 bytes).
std::string written(const MadeTask& task, const Sha256& owner) {
  std::string out(view_of(owner));
  out += static_cast<char>(task.arguments ? 1 : 0);
  append_part(out, task.tool);
  append_part(out, task.arguments ? *task.arguments : std::string());
  append_part(out, task.resource);
  out += task.backend_id;
  return out;
}

class Parts {
 public:
  explicit Parts(std::string_view text) : left_(text) {}
  [[nodiscard]] std::optional<std::string_view> take(std::size_t size) {
    if (left_.size() < size) return std::nullopt;
    const std::string_view out = left_.substr(0, size);
    left_.remove_prefix(size);
    return out;
  }
  [[nodiscard]] std::optional<std::string_view> part() {
    const auto size = take(2);
    if (!size) return std::nullopt;
    return take((static_cast<unsigned char>((*size)[0]) << 8U) | static_cast<unsigned char>((*size)[1]));
  }
  [[nodiscard]] std::string_view rest() const { return left_; }

 private:
  std::string_view left_;
};

struct Written {
  std::string_view owner;
  MadeTask task;
};

std::optional<Written> read(std::string_view plain) {
  Parts parts(plain);
  const auto owner = parts.take(digest_bytes);
  const auto has_arguments = parts.take(1);
  const auto tool = parts.part();
  const auto arguments = parts.part();
  const auto resource = parts.part();
  if (!owner || !has_arguments || !tool || !arguments || !resource || parts.rest().empty()) return std::nullopt;
  Written out;
  out.owner = *owner;
  out.task.tool = *tool;
  if (has_arguments->front() == 1) out.task.arguments = std::string(*arguments);
  out.task.resource = *resource;
  out.task.backend_id = parts.rest();
  return out;
}

/// Under which a task of that owner is kept.
Sha256 name_of(std::string_view backend_id, const Sha256& owner) {
  std::string text(view_of(owner));
  text += backend_id;
  return sha256(text);
}

}  // namespace

std::string Tasks::seal(const MadeTask& task, const Principal& owner, const Location& location) const {
  if (task.backend_id.empty() || task.backend_id.size() > MadeTask::longest_backend_id) return {};
  return base64url_encode(keys_.seal(written(task, owner_digest(owner, location)), bound, random_));
}

Result<MadeTaskPtr, Reason> Tasks::open(std::string_view sealed, const Principal& caller,
                                        const Location& location) const {
  const auto bytes = base64url_decode(sealed);
  const auto plain = bytes ? keys_.open(*bytes, bound) : std::nullopt;
  auto found = plain ? read(*plain) : std::nullopt;
  if (!found) return fail(Reason::task_unknown);
  if (found->owner != view_of(owner_digest(caller, location))) return fail(Reason::task_foreign);
  if (found->task.tool.empty()) return fail(Reason::task_unknown);
  return std::make_shared<const MadeTask>(std::move(found->task));
}

void Tasks::remember(std::string_view sealed, const MadeTask& task, const Principal& owner,
                     const Location& location) const {
  TaskTable(memory_).put(name_of(task.backend_id, owner_digest(owner, location)), sealed);
}

std::optional<Tasks::Known> Tasks::known(std::string_view backend_id, const Principal& caller,
                                         const Location& location) const {
  std::string sealed = TaskTable(memory_).get(name_of(backend_id, owner_digest(caller, location)));
  if (sealed.empty()) return std::nullopt;
  auto task = open(sealed, caller, location);
  if (!task || (*task)->backend_id != backend_id) return std::nullopt;
  return Known{std::move(sealed), *std::move(task)};
}

}  // namespace agw::gateway
