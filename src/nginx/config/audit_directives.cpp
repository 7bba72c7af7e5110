// agent_audit and what belongs to it.
#include "../adapters/open_file.h"
#include "reading.h"

namespace agw::nginx {
namespace {

constexpr std::size_t least_journal = 256U << 10;
constexpr std::size_t most_journal = 1U << 30;
constexpr std::size_t page = 4096;

Checked read_option(const Reading& in, std::string_view word) {
  const auto found = option(word);
  const std::string_view key = found ? found->first : std::string_view();
  if (key == "journal") {
    const auto size = size_value("journal", found->second, least_journal, most_journal);
    if (!size) return fail(size.error());
    in.main.audit_journal_bytes = (*size + page - 1) / page * page;
    return {};
  }
  if (key != "key")
    return fail(quoted(in.name()) + " has the unknown word " + quoted(word) + "; write key=FILE or journal=SIZE");
  in.main.audit_key_file = full_path(in.cf, found->second);
  return key_file("key", in.main.audit_key_file);
}

}  // namespace

Checked read_audit(const Reading& in) {
  MainSettings& settings = *in.main.settings;
  if (settings.audit) return fail(twice(in.name(), *settings.audit));
  settings.audit = in.place;
  if (in.words[1] == "off") {
    if (in.words.size() > 2) return fail(quoted(in.name()) + " is off; nothing may follow");
    return {};
  }
  for (const std::string_view word : in.arguments().subspan(1))
    if (auto read = read_option(in, word); !read) return read;
  ngx_str_t path = pool_copy(in.cf->pool, in.words[1]);
  in.main.audit_file = path.data == nullptr ? nullptr : OpenFile::declare(in.cf, path);
  if (in.main.audit_file == nullptr) return fail(std::string());
  // nginx opens logs after it has read everything, and then says no line.
  const std::string file(view(in.main.audit_file->name));
  if (!stands_in_folder(file))
    return fail(quoted(in.name()) + ": the folder of " + file + " doesn't exist; make it, or name another");
  return {};
}

Checked read_audit_setting(const Reading& in) {
  const bool is_sync = in.name() == "agent_audit_sync";
  std::optional<Place>& before = is_sync ? in.main.settings->audit_sync : in.main.settings->audit_on_error;
  if (before) return fail(twice(in.name(), *before));
  before = in.place;
  const std::string_view word = in.words[1];
  if (is_sync && word == "none") {
    in.main.audit_sync = audit::Sync::none;
  } else if (is_sync && word == "interval") {
    in.main.audit_sync = audit::Sync::interval;
  } else if (is_sync && word == "always") {
    in.main.audit_sync = audit::Sync::always;
  } else if (!is_sync && word == "deny") {
    in.main.audit_on_error = audit::OnError::deny;
  } else if (!is_sync && word == "continue") {
    in.main.audit_on_error = audit::OnError::proceed;
  } else {
    return fail(quoted(in.name()) + " has the unknown value " + quoted(word) + "; write " +
                (is_sync ? "none, interval or always" : "deny or continue"));
  }
  return {};
}

}  // namespace agw::nginx
