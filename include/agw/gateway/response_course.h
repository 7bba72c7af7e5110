// The course of a response: what of a backend's answer to an MCP call reaches its caller.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/gateway/call.h"
#include "agw/io/log.h"
#include "agw/json/document.h"
#include "agw/mcp/event_stream.h"
#include "agw/model/reason.h"
#include "agw/response/splices.h"

namespace agw::gateway {

/// The head of an answer whose body may have to change.
struct AnswerHead {
  int status = 200;
  std::string_view content_type;
  bool encoded = false;  ///< it has a Content-Encoding
};

/// One JSON-RPC message of an answer. Views: valid while an edit looks at it.
struct AnswerMessage {
  std::string_view text;
  json::Value root;  ///< an object
  std::optional<json::Value> result;
  bool is_response = false;  ///< it has a result or an error, and no method
};

/// One concern of the course. It says what changes in the original bytes; it never writes a message anew.
class Edit {
 public:
  virtual ~Edit() = default;
  /// A look at the bytes, which may be more than one message, without reading them as JSON. False is certain: no
  /// message in them has anything that this edit would change.
  [[nodiscard]] virtual bool concerns(std::string_view text) const noexcept = 0;
  /// Which of response::Items are all that concerns it: then one look finds those of several edits. 0: concerns()
  /// alone says it.
  [[nodiscard]] virtual unsigned looks_for() const noexcept { return 0; }
  /// The changes of one message that concerns some edit. What is wrong with it, if anything: then nothing of it goes
  /// on. An event of which all bytes are taken out keeps its id alone.
  [[nodiscard]] virtual std::optional<std::string_view> edit(const AnswerMessage& message,
                                                             response::Splices& splices) = 0;
};
using Edits = std::vector<std::unique_ptr<Edit>>;

/// Bounded memory whatever the backend sends: of a stream one event is held at most, of any other answer its body, and
/// neither beyond the location's agent_answer_limit. Nothing waits but what isn't whole. Once something can't be read,
/// nothing of the backend's goes on any more.
class ResponseCourse {
 public:
  enum class Way : std::uint8_t { whole, events };
  enum class Step : std::uint8_t {
    unchanged,  ///< the bytes may go on as they are; `out` is untouched
    rewritten,  ///< what goes on in their place was appended to `out`, perhaps nothing
    refused,    ///< failure(); `out` may have got an end for a stream
  };

  /// `call`, `document` and `log` outlive it; the document is used within each function alone.
  ResponseCourse(Way way, Call& call, json::Document& document, Log& log, Edits edits);

  [[nodiscard]] Way way() const noexcept { return way_; }
  /// Whether the whole body goes on as it is, said without reading it as JSON.
  [[nodiscard]] bool leaves(std::string_view body) const noexcept { return !must_read_ && !concerns(body); }
  /// More of the body.
  [[nodiscard]] Step feed(std::string_view bytes, std::string& out);
  /// Events of the gateway's own, whole: they stand between two of the backend's. A subscription's come after its first
  /// one, which acknowledges it (MCP 2026-07-28, "Subscriptions").
  void inject(std::string_view events) { injected_ += events; }
  /// Appends them where the stream stands at such a place now; else they go with what comes next.
  bool take_injected(std::string& out);
  /// The body is complete.
  [[nodiscard]] Step end(std::string& out);
  /// It ends before it is complete.
  void broke_off() noexcept { refuse(Reason::answer_malformed, "it breaks off"); }
  /// Why it was refused.
  [[nodiscard]] Reason failure() const noexcept { return failure_; }
  [[nodiscard]] bool refused() const noexcept { return refused_; }

 private:
  void refuse(Reason reason, std::string_view detail) noexcept;
  [[nodiscard]] Step refuse_stream(Reason reason, std::string_view detail, std::string& out);
  [[nodiscard]] bool concerns(std::string_view text) const noexcept;
  /// The message as it goes on; nothing: as it is. False: refused.
  [[nodiscard]] bool edit(std::string_view text, std::optional<std::string>& edited);
  [[nodiscard]] bool edit_block(std::string_view block, std::optional<std::string>& edited);
  [[nodiscard]] Step feed_events(std::string_view bytes, std::string& out);

  Way way_;
  Call& call_;
  json::Document& document_;
  Log& log_;
  Edits edits_;
  unsigned items_;  ///< that the edits look for together
  mcp::EventSplitter splitter_;
  std::string body_;
  std::string joined_;
  std::string injected_;
  bool spoken_ = false;  ///< the backend's first event has come
  bool must_read_;  ///< what isn't a JSON-RPC message is none of a server's answers to this call
  bool refused_ = false;
  Reason failure_ = Reason::answer_malformed;
};

}  // namespace agw::gateway
