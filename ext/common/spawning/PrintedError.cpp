#include "spawning/PrintedError.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <string_view>
#include <vector>

#include "base/Split.h"

namespace Passenger {

namespace {

using Lines = std::vector<std::string_view>;

/** Lines behind an exception of Node among which its code is. */
constexpr std::size_t LINES_OF_CODE = 60;
constexpr std::size_t LONGEST_LINE = 1024;
constexpr std::string_view FATAL = "FATAL ERROR";
constexpr std::string_view FATAL_WORD = "FATAL";

bool isLetter(char c) {
    return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool isIndented(std::string_view line) {
    return line.starts_with(' ') || line.starts_with('\t');
}

/** Whether the line is one of the agent's or the bridge's own. */
bool isEvent(std::string_view line) {
    return line.starts_with("event=");
}

Lines linesOf(std::string_view output) {
    Lines lines;
    while (!output.empty()) {
        if (const std::string_view line = takePiece(output, '\n'); !line.empty() && !isEvent(line)) {
            lines.push_back(line.substr(0, LONGEST_LINE));
        }
    }
    return lines;
}

/** `KeyError` in `KeyError: 'x'`, `a.b.Error` in `a.b.Error`; empty: the line does not begin so. */
std::string_view className(std::string_view line) {
    const auto end = std::find_if_not(line.begin(), line.end(), [](char c) {
        return isLetter(c) || c == '.' || std::isdigit(static_cast<unsigned char>(c)) != 0;
    });
    const std::string_view name = line.substr(0, static_cast<std::size_t>(end - line.begin()));
    return !name.empty() && isLetter(name.front()) ? name : std::string_view();
}

std::string_view messageBehind(std::string_view rest) {
    return rest.starts_with(": ") ? rest.substr(2) : std::string_view();
}

/** `FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory` */
std::optional<PrintedError> ofHeap(std::string_view line) {
    const auto at = line.find(FATAL);
    if (at == std::string_view::npos || line.find("JavaScript heap out of memory") == std::string_view::npos) {
        return std::nullopt;
    }
    return PrintedError{Language::NODE, std::string(FATAL), std::string(messageBehind(line.substr(at + FATAL.size())))};
}

/** Below the frames of a traceback or the marks under a line: `KeyError: 'x'`. */
std::optional<PrintedError> ofPython(const Lines &lines, std::size_t at) {
    const std::string_view name = className(lines[at]);
    const std::string_view rest = lines[at].substr(name.size());
    if (name.empty() || !(rest.empty() || rest.starts_with(": ")) || at == 0 || !isIndented(lines[at - 1])) {
        return std::nullopt;
    }
    for (std::size_t i = at; i-- > 0 && (isIndented(lines[i]) || lines[i].starts_with("Traceback "));) {
        if (lines[i].starts_with("Traceback ") || lines[i].starts_with("  File \"")) {
            return PrintedError{Language::PYTHON, std::string(name), std::string(messageBehind(rest))};
        }
    }
    return std::nullopt;
}

bool isFrameOfNode(std::string_view line) {
    return line.starts_with("    at ");
}

/** `'MODULE_NOT_FOUND'` in `  code: 'MODULE_NOT_FOUND',` below the frames. */
std::string codeBelow(const Lines &lines, std::size_t at) {
    constexpr std::string_view CODE = "  code: '";
    const std::size_t end = std::min(lines.size(), at + LINES_OF_CODE);
    for (std::size_t i = at + 1; i < end && !lines[i].starts_with('}'); i++) {
        if (lines[i].starts_with(CODE)) {
            const std::string_view rest = lines[i].substr(CODE.size());
            return std::string(rest.substr(0, rest.find('\'')));
        }
    }
    return "";
}

/** `/srv/blog/app.js:2` above the marks under a line; empty: there is none. */
std::string placeAbove(const Lines &lines, std::size_t at) {
    constexpr std::string_view URL = "file://";
    for (std::size_t i = at; i-- > 0 && at - i <= 4;) {
        std::string_view line = lines[i];
        if (line.starts_with(URL)) {
            line.remove_prefix(URL.size());
        }
        const auto colon = line.rfind(':');
        if (line.starts_with('/') && colon != std::string_view::npos &&
            line.find_first_not_of("0123456789", colon + 1) == std::string_view::npos) {
            return std::string(line);
        }
    }
    return "";
}

/** The error above frames: `Error: Cannot find module 'x'`, `Error [ERR_X]: …`. failures.js tells
 *  it in the same form. */
std::optional<PrintedError> ofNode(const Lines &lines, std::size_t at) {
    std::string_view line = lines[at];
    constexpr std::string_view UNCAUGHT = "Uncaught ";
    if (line.starts_with(UNCAUGHT)) {
        line.remove_prefix(UNCAUGHT.size());
    }
    std::string name(className(line));
    std::string_view rest = line.substr(name.size());
    if (name.empty()) {
        return std::nullopt;
    }
    bool hasCode = false;
    if (const auto close = rest.find(']'); rest.starts_with(" [") && close != std::string_view::npos) {
        name += rest.substr(0, close + 1);
        rest.remove_prefix(close + 1);
        hasCode = true;
    }
    // A message of several lines stands between the first one and the frames.
    std::size_t frame = at + 1;
    while (frame < lines.size() && frame - at < 10 && !isFrameOfNode(lines[frame])) {
        ++frame;
    }
    if (!rest.starts_with(": ") || frame == lines.size() || !isFrameOfNode(lines[frame])) {
        return std::nullopt;
    }
    if (const std::string code = codeBelow(lines, at); !hasCode && !code.empty()) {
        name += " [" + code + "]";
    }
    std::string message(messageBehind(rest));
    if (const std::string place = name == "SyntaxError" ? placeAbove(lines, at) : ""; !place.empty()) {
        message = place + ": " + message;
    }
    return PrintedError{Language::NODE, name, message};
}

/** `x.rb:1:in 'require': cannot load such file -- y (LoadError)` */
std::optional<PrintedError> ofRuby(std::string_view line) {
    const auto open = line.rfind(" (");
    if (!line.ends_with(')') || open == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view name = line.substr(open + 2, line.size() - open - 3);
    const bool isClass = !name.empty() && std::isupper(static_cast<unsigned char>(name.front())) != 0 &&
                         std::all_of(name.begin(), name.end(), [](char c) {
                             return isLetter(c) || c == ':' || std::isdigit(static_cast<unsigned char>(c)) != 0;
                         });
    const auto place = line.find(":in ");
    const auto begin = place == std::string_view::npos ? std::string_view::npos : line.find("': ", place);
    if (!isClass || isIndented(line) || begin == std::string_view::npos || begin > open) {
        return std::nullopt;
    }
    return PrintedError{Language::RUBY, std::string(name), std::string(line.substr(begin + 3, open - begin - 3))};
}

/** The message stands in the next line:
 *  `thread 'main' (4712) panicked at src/main.rs:3:5:`, before Rust 1.91 without the number */
std::optional<PrintedError> ofRust(const Lines &lines, std::size_t at) {
    const std::string_view line = lines[at];
    if (!line.starts_with("thread '") || line.find(" panicked at ") == std::string_view::npos) {
        return std::nullopt;
    }
    std::string message(line);
    if (line.ends_with(':') && at + 1 < lines.size()) {
        message.append(" ").append(lines[at + 1]);
    }
    return PrintedError{Language::OTHER, "", message};
}

/** What npm says behind its name: `npm error Missing script: "start"`. Empty: the line is not
 *  npm's. */
std::string_view ofNpm(std::string_view line) {
    for (const std::string_view prefix : {"npm error ", "npm ERR! "}) {
        if (line.starts_with(prefix)) {
            return line.substr(prefix.size());
        }
    }
    return {};
}

bool looksLikeError(std::string_view line) {
    constexpr std::array<std::string_view, 14> WORDS{"error",  "fatal",     "panic",   "exception",   "cannot",
                                                     "can't",  "could not", "failed",  "denied",      "refused",
                                                     "unable", "in use",    "missing", "no such file"};
    const std::string_view said = ofNpm(line);
    std::string text(said.empty() ? line : said);
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
    return text.find("not found") != std::string::npos ||
           std::any_of(WORDS.begin(), WORDS.end(),
                       [&](std::string_view word) { return text.find(word) != std::string::npos; });
}

/** A program that writes this does not go on. Other lines behind an exception often tell that it
 *  was one: "Worker failed to boot." */
bool isLastWord(std::string_view line) {
    return line.find(FATAL_WORD) != std::string_view::npos || line.starts_with("fatal: ") ||
           line.starts_with("panic: ");
}

}  // namespace

std::optional<PrintedError> PrintedError::in(const std::string &output) {
    const Lines lines = linesOf(output);
    for (std::size_t i = lines.size(); i-- > 0;) {
        for (const auto &found :
             {ofHeap(lines[i]), ofPython(lines, i), ofNode(lines, i), ofRuby(lines[i]), ofRust(lines, i)}) {
            if (found) {
                return found;
            }
        }
        if (isLastWord(lines[i])) {
            return PrintedError{Language::OTHER, "", std::string(lines[i])};
        }
    }
    const auto last = std::find_if(lines.rbegin(), lines.rend(), looksLikeError);
    if (last == lines.rend()) {
        return std::nullopt;
    }
    std::string_view line = *last;
    if (!ofNpm(line).empty()) {
        // npm says the cause first.
        line = *std::find_if(lines.begin(), lines.end(),
                             [](std::string_view one) { return !ofNpm(one).empty() && looksLikeError(one); });
    }
    return PrintedError{Language::OTHER, "", std::string(line)};
}

bool PrintedError::isOfHeap() const {
    return exceptionClass == FATAL;
}

std::string PrintedError::text() const {
    const std::string line = message.substr(0, message.find('\n'));
    return exceptionClass.empty() ? line : line.empty() ? exceptionClass : exceptionClass + ": " + line;
}

}  // namespace Passenger
