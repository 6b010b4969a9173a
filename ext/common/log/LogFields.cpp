#include "log/LogFields.h"

#include <algorithm>
#include <utility>

namespace Passenger {

namespace {

constexpr char QUOTE = '"';
constexpr char ESCAPE = '\\';
constexpr std::string_view KEY_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789_";

void appendEscaped(std::string &line, std::string_view value) {
    for (const char character : value) {
        if (character == QUOTE || character == ESCAPE) {
            line += ESCAPE;
        }
        line += character;
    }
}

/** Takes the characters up to the end of a quoted value, and that quote. @return false: there is no
 *  such end, and nothing is taken */
bool takeQuoted(std::string_view &line, std::string &value) {
    for (std::size_t at = 0; at < line.size(); ++at) {
        if (line[at] == QUOTE) {
            line.remove_prefix(at + 1);
            return true;
        }
        if (line[at] == ESCAPE && at + 1 < line.size()) {
            ++at;
        }
        value += line[at];
    }
    return false;
}

std::string_view takeWord(std::string_view &line) {
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(word.size());
    return word;
}

/** @return false: the line does not begin with a field, and nothing is taken */
bool takeField(std::string_view &line, LogFields::Field &field) {
    const std::size_t equals = line.find_first_not_of(KEY_CHARACTERS);
    if (equals == 0 || equals == std::string_view::npos || line[equals] != '=') {
        return false;
    }
    field.key = line.substr(0, equals);
    std::string_view rest = line.substr(equals + 1);
    field.quoted = rest.starts_with(QUOTE);
    if (field.quoted) {
        rest.remove_prefix(1);
        if (!takeQuoted(rest, field.value)) {
            return false;
        }
    } else {
        field.value = takeWord(rest);
    }
    field.raw = line.substr(0, line.size() - rest.size());
    line = rest;
    return true;
}

}  // namespace

const LogFields::Field *LogFields::find(std::string_view key) const noexcept {
    const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field &field) { return field.key == key; });
    return found != fields.end() ? &*found : nullptr;
}

std::string LogFields::compose(fmt::string_view format, fmt::format_args args) {
    std::string line;
    std::string_view rest(format.data(), format.size());
    bool quoted = false;
    for (unsigned next = 0; !rest.empty();) {
        const std::string_view literal = rest.substr(0, rest.find_first_of("{}"));
        quoted ^= std::count(literal.begin(), literal.end(), QUOTE) % 2 != 0;
        line += literal;
        rest.remove_prefix(literal.size());
        if (rest.size() > 1 && rest[0] == rest[1]) {
            line += rest[0];
            rest.remove_prefix(2);
        } else if (!rest.empty()) {
            const std::size_t end = rest.find('}');
            const std::string value = fmt::vformat(fmt::format("{{{}{}}}", next++, rest.substr(1, end - 1)), args);
            rest.remove_prefix(end + 1);
            if (quoted) {
                appendEscaped(line, value);
            } else {
                line += value;
            }
        }
    }
    return line;
}

LogFields LogFields::parse(std::string_view line) {
    LogFields result;
    const bool isReport = line.starts_with("report=");
    if (!isReport && !line.starts_with("event=")) {
        result.rest = line;
        return result;
    }
    while (!line.empty()) {
        if (Field field; takeField(line, field)) {
            result.fields.push_back(std::move(field));
        } else {
            result.rest += result.rest.empty() ? "" : " ";
            result.rest += takeWord(line);
        }
        if (line.starts_with(' ')) {
            line.remove_prefix(1);
        }
        if (isReport) {
            result.rest = line;
            break;
        }
    }
    return result;
}

}  // namespace Passenger
