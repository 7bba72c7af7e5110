#include "manual.h"

#include <functional>
#include <vector>

#include <CLI/CLI.hpp>

namespace agw::agwctl {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* each) { return !each->get_name().empty(); });
}

std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  return app.get_options([](const CLI::Option* each) { return each->nonpositional(); });
}

std::vector<const CLI::Option*> positionals_of(const CLI::App& app) {
  return app.get_options([](const CLI::Option* each) { return each->get_positional(); });
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }
bool repeatable(const CLI::Option& option) { return option.get_items_expected_max() > 1; }
bool is_file(const std::string& type) { return type == "FILE" || type == "FILES" || type == "DIR"; }

/// `--author`, `--by`, `-h`.
std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> out;
  for (const auto& name : option.get_lnames()) out.push_back("--" + name);
  for (const auto& name : option.get_snames()) out.push_back("-" + name);
  return out;
}

/// Every command with the words that lead to it: `store confirm`.
void each_command(const CLI::App& app, const std::string& before,
                  const std::function<void(const std::string& words, const CLI::App& command)>& visit) {
  for (const CLI::App* command : commands_of(app)) {
    const std::string words = before.empty() ? command->get_name() : before + " " + command->get_name();
    visit(words, *command);
    each_command(*command, words, visit);
  }
}

/// In single quotes, for a shell.
std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// Inside a specification of zsh's _arguments, where brackets and colons mean something.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

/// Nothing is offered where nothing can be known: a mere message would keep zsh from inserting an option.
std::string zsh_action(const std::string& type) { return is_file(type) ? "_files" : "()"; }

/// For troff: nothing is a request, a hyphen is one, a backslash too.
std::string troff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '\n')
      out += ' ';
    else
      out += c;
  }
  if (out.starts_with('.') || out.starts_with('\'')) out.insert(0, "\\&");
  return out;
}

std::string zsh_options(const CLI::App& command) {
  std::string out;
  for (const CLI::Option* option : options_of(command)) {
    const auto names = names_of(*option);
    for (const auto& name : names) {
      std::string spec = repeatable(*option) ? "*" : "";
      if (!repeatable(*option) && names.size() > 1) {
        spec = "(";
        for (const auto& other : names) spec += (spec.size() > 1 ? " " : "") + other;
        spec += ")";
      }
      spec += name + "[" + zsh_text(option->get_description()) + "]";
      if (takes_value(*option)) {
        const std::string type = option->get_type_name();
        spec += ":" + zsh_text(type) + ":" + zsh_action(type);
      }
      out += " \\\n        " + shell_quoted(spec);
    }
  }
  return out;
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::string words;    // the commands below each path
  std::string options;  // of each path
  const auto add = [&](const std::string& path, const CLI::App& command) {
    std::string below;
    for (const CLI::App* each : commands_of(command)) below += (below.empty() ? "" : " ") + each->get_name();
    if (!below.empty()) words += "        " + shell_quoted(path) + ") words=" + shell_quoted(below) + " ;;\n";
    std::string all;
    std::string valued;
    std::string named;
    for (const CLI::Option* option : options_of(command))
      for (const auto& name : names_of(*option)) {
        all += (all.empty() ? "" : " ") + name;
        if (takes_value(*option)) (is_file(option->get_type_name()) ? named : valued) += " " + name;
      }
    options += "        " + shell_quoted(path) + ") options=" + shell_quoted(all) +
               " valued=" + shell_quoted(valued + " ") + " files=" + shell_quoted(named + " ");
    for (const CLI::Option* argument : positionals_of(command))
      if (is_file(argument->get_name(true))) options += " reads=1";
    options += " ;;\n";
  };
  add("", app);
  each_command(app, "", add);
  return "# Completion of agwctl for bash; made by agwctl completion bash.\n"
         "_agwctl() {\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path='' words='' next i\n"
         "    local options='' valued=' ' files=' ' reads=''\n"
         "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "        next=\"${path:+$path }${COMP_WORDS[i]}\"\n"
         "        case $next in\n" +
         [&] {
           std::string paths;
           each_command(app, "", [&](const std::string& path, const CLI::App&) {
             paths += (paths.empty() ? "" : "|") + shell_quoted(path);
           });
           return "            " + paths + ") path=$next ;;\n            *) [[ -n $path ]] && break ;;\n";
         }() +
         "        esac\n"
         "    done\n"
         "    case $path in\n" +
         words +
         "    esac\n"
         "    case $path in\n" +
         options +
         "    esac\n"
         "    COMPREPLY=()\n"
         "    if [[ $files == *\" $prev \"* ]]; then\n"
         "        compopt -o filenames 2>/dev/null\n"
         "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
         "    elif [[ $valued == *\" $prev \"* ]]; then\n"
         "        return\n"
         "    elif [[ $cur == -* ]]; then\n"
         "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
         "    elif [[ -n $words ]]; then\n"
         "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
         "    elif [[ -n $reads ]]; then\n"
         "        compopt -o filenames 2>/dev/null\n"
         "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
         "    fi\n"
         "}\n"
         "complete -F _agwctl agwctl\n";
}

std::string zsh_completion(const CLI::App& app) {
  std::string functions;
  const std::function<void(const std::string&, const CLI::App&)> define = [&](const std::string& name,
                                                                              const CLI::App& command) {
    const auto below = commands_of(command);
    functions += "\n" + name + "() {\n";
    if (below.empty()) {
      functions += "    _arguments -s" + zsh_options(command);
      for (const CLI::Option* argument : positionals_of(command)) {
        const std::string type = argument->get_name(true);
        const std::string spec = (repeatable(*argument)      ? "*:"
                                  : argument->get_required() ? ":"
                                                             : "::") +
                                 type + ":" + zsh_action(type);
        functions += " \\\n        " + shell_quoted(spec);
      }
      functions += "\n}\n";
      return;
    }
    functions += "    local -a commands\n    local state line\n    commands=(\n";
    for (const CLI::App* each : below)
      functions += "        " + shell_quoted(zsh_text(each->get_name()) + ":" + each->get_description()) + "\n";
    functions += "    )\n    _arguments -C" + zsh_options(command) +
                 " \\\n        '1: :->command' \\\n        '*:: :->rest'\n"
                 "    case $state in\n        command) _describe command commands ;;\n        rest)\n"
                 "            case $line[1] in\n";
    for (const CLI::App* each : below)
      functions += "                " + each->get_name() + ") " + name + "_" + each->get_name() + " ;;\n";
    functions += "            esac ;;\n    esac\n}\n";
    for (const CLI::App* each : below) define(name + "_" + each->get_name(), *each);
  };
  define("_agwctl", app);
  return "#compdef agwctl\n# Completion of agwctl for zsh; made by agwctl completion zsh.\n" + functions +
         "\nif [[ $funcstack[1] == _agwctl ]]; then\n    _agwctl \"$@\"\nelse\n    compdef _agwctl agwctl\nfi\n";
}

std::string manual_page(const CLI::App& app) {
  std::string out =
      ".\\\" Made by agwctl man.\n.TH AGWCTL 1 \"\" \"agent gateway\" \"User Commands\"\n.SH NAME\nagwctl \\- the "
      "agent "
      "gateway's policy and audit log\n.SH SYNOPSIS\n.B agwctl\n.I COMMAND\n[\\fIoption\\fR]...\n.SH DESCRIPTION\n" +
      troff(app.get_description()) + "\n.SH COMMANDS\n";
  each_command(app, "", [&](const std::string& words, const CLI::App& command) {
    if (!commands_of(command).empty()) return;
    out += ".SS agwctl " + troff(words);
    for (const CLI::Option* argument : positionals_of(command)) {
      const std::string name = troff(argument->get_name(true)) + (repeatable(*argument) ? "..." : "");
      out += argument->get_required() ? " " + name : " [" + name + "]";
    }
    out += "\n" + troff(command.get_description()) + ".\n";
    const auto describe = [&](const std::string& heading, const CLI::Option& option) {
      out += ".TP\n" + heading + "\n" + troff(option.get_description());
      if (!option.get_default_str().empty()) out += " (default: " + troff(option.get_default_str()) + ")";
      out += option.get_required() && !option.get_positional() ? " (needed)\n" : "\n";
    };
    for (const CLI::Option* argument : positionals_of(command))
      describe("\\fI" + troff(argument->get_name(true)) + "\\fR", *argument);
    for (const CLI::Option* option : options_of(command)) {
      std::string heading;
      for (const auto& name : names_of(*option))
        heading += (heading.empty() ? "\\fB" : ", \\fB") + troff(name) + "\\fR";
      if (takes_value(*option)) heading += " \\fI" + troff(option->get_type_name()) + "\\fR";
      describe(heading, *option);
    }
  });
  out += ".SH EXIT STATUS\n" + troff(app.get_footer()) + "\n";
  out +=
      ".SH FILES\n.TP\n/var/lib/nginx/agent/routes.json\nthe routes of the gateway, written by nginx "
      "(\\fBagent_state\\fR)\n.SH SEE ALSO\nnginx(8); docs/store.md, docs/operations.md of the gateway\n";
  return out;
}

}  // namespace agw::agwctl
