// Prints the table of directives as JSON: script/document-directives makes doc/CONFIGURATION.md's tables of it, and the integration
// tests try each row. Not installed. Linked with nothing of httpd: the table only points at members of Settings.

#include <cstdio>
#include <string>

#include "DirectiveTable.h"

namespace {

using namespace Passenger::Directives;
using Passenger::Settings;

std::string quoted(const char *text) {
    std::string result = "\"";
    for (const char *at = text; *at != '\0'; ++at) {
        if (*at == '"' || *at == '\\') {
            result += '\\';
        }
        result += *at;
    }
    return result + '"';
}

const char *nameOf(Context context) {
    switch (context) {
        case Context::GLOBAL:
            return "global";
        case Context::APPLICATION:
            return "application";
        case Context::LOCAL:
            return "local";
        case Context::OPTIONS:
            return "options";
    }
    return "";
}

const char *nameOf(Form form) {
    switch (form) {
        case Form::PLAIN:
            return "text";
        case Form::PATH:
            return "path";
        case Form::URI:
            return "uri";
        case Form::URL:
            return "url";
        case Form::CHOICE:
            return "choice";
        case Form::PAIR:
            return "pair";
    }
    return "";
}

const char *kindOf(const Field &field) {
    if (std::holds_alternative<Settings::Number Settings::*>(field.member)) {
        return "number";
    }
    return std::holds_alternative<Settings::Flag Settings::*>(field.member) ? "flag" : nameOf(field.form);
}

std::string rowOf(const Directive &directive) {
    const Field &field = directive.field;
    std::string row = "{\"name\": " + quoted(directive.name) + ", \"context\": " + quoted(nameOf(directive.context)) +
                      ", \"kind\": " + quoted(kindOf(field)) + ", \"default\": " + quoted(directive.fallback) +
                      ", \"meaning\": " + quoted(directive.meaning);
    row += std::string(", \"list\": ") +
           (std::holds_alternative<Settings::List Settings::*>(field.member) ? "true" : "false");
    row += ", \"least\": " + std::to_string(field.least) + ", \"most\": " + std::to_string(field.most);
    row += ", \"choices\": [";
    for (const Choice &choice : field.choices) {
        row += (&choice != field.choices.data() ? ", " : "") + quoted(choice.word);
    }
    row += "], \"aliases\": [";
    for (const char *alias : directive.aliases) {
        if (alias != nullptr) {
            row += (alias != directive.aliases[0] ? ", " : "") + quoted(alias);
        }
    }
    row += "], \"notice\": " + (directive.notice != nullptr ? quoted(directive.notice) : "null");
    row += ", \"successor\": " + (directive.successor != nullptr ? quoted(directive.successor) : "null");
    return row + "}";
}

}  // namespace

int main() {
    std::puts("[");
    for (const Directive &directive : TABLE) {
        std::printf("%s%s\n", rowOf(directive).c_str(), &directive != &TABLE.back() ? "," : "");
    }
    std::puts("]");
    return 0;
}
