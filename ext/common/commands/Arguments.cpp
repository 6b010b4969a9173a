#include "commands/Arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <getopt.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/Split.h"
#include "base/WholeNumber.h"
#include "commands/CommandFailure.h"
#include "commands/Terminal.h"

namespace Passenger {

namespace {

/** getopt_long's code of the first option of the table; codes of letters are below. */
constexpr int FIRST_CODE = 1000;

std::string helpHint(const CommandSpec &command) {
    return fmt::format("{} --help lists what there is", command.fullName());
}

int argumentOf(const OptionSpec &option) {
    switch (option.argument) {
        case OptionSpec::Argument::REQUIRED: return required_argument;
        case OptionSpec::Argument::OPTIONAL: return optional_argument;
        default: return no_argument;
    }
}

void checkChoice(const CommandSpec &command, const OptionSpec &option, const std::string &value) {
    const auto choices = split(option.choices, '|');
    if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end()) {
        throw CommandFailureException(fmt::format("--{} {} is not possible: write one of {}; {}", option.name, value,
                                                  fmt::join(choices, ", "), helpHint(command)));
    }
}

/** The options as getopt_long takes them. @param letters gets the options of one letter */
std::vector<option> tableOf(const CommandSpec &command, std::string &letters) {
    std::vector<option> table;
    for (const OptionSpec &spec : command.options) {
        table.push_back({spec.name, argumentOf(spec), nullptr, FIRST_CODE + static_cast<int>(table.size())});
        if (spec.letter != '\0') {
            letters += spec.letter;
            letters += spec.argument == OptionSpec::Argument::REQUIRED ? ":" : "";
        }
    }
    table.push_back({});
    return table;
}

/** @param code of getopt_long for the word @throws CommandFailureException */
const OptionSpec &specOf(const CommandSpec &command, int code, const char *word) {
    const bool isLong = ::optopt == 0 || ::optopt >= FIRST_CODE;
    // getopt_long may not be at the end of a word of letters yet.
    const std::string name = isLong ? word : fmt::format("-{}", static_cast<char>(::optopt));
    if (code == '?' && ::optopt >= FIRST_CODE) {
        throw CommandFailureException(
            fmt::format("{} takes no value: {}", name.substr(0, name.find('=')), helpHint(command)));
    }
    if (code == '?') {
        throw CommandFailureException(fmt::format("{} is not an option: {}", name, helpHint(command)));
    }
    if (code == ':') {
        throw CommandFailureException(fmt::format("{} needs a value: {}", name, helpHint(command)));
    }
    return code >= FIRST_CODE ? *(command.options.begin() + (code - FIRST_CODE))
                              : *std::find_if(command.options.begin(), command.options.end(),
                                              [code](const OptionSpec &one) { return one.letter == code; });
}

bool isNumber(const char *word) {
    return word != nullptr && *word != '\0' &&
           std::string_view(word).find_first_not_of("0123456789.") == std::string::npos;
}

}  // namespace

Arguments Arguments::parse(const CommandSpec &command, const std::vector<std::string> &words) {
    std::vector<std::string> copies{command.fullName()};
    copies.insert(copies.end(), words.begin(), words.end());
    std::vector<char *> pointers;
    pointers.reserve(copies.size() + 1);
    for (std::string &copy : copies) {
        pointers.push_back(copy.data());
    }
    const int count = static_cast<int>(pointers.size());
    pointers.push_back(nullptr);

    std::string letters = ":";
    const std::vector<option> table = tableOf(command, letters);
    Arguments result;
    // 0 has getopt begin anew.
    ::optind = 0;
    for (;;) {
        const int code = ::getopt_long(count, pointers.data(), letters.c_str(), table.data(), nullptr);
        if (code == -1) {
            break;
        }
        const OptionSpec &spec = specOf(command, code, pointers[static_cast<std::size_t>(std::max(::optind - 1, 0))]);
        const char *value = ::optarg;
        // `--watch 5` as `--watch=5`.
        if (spec.argument == OptionSpec::Argument::OPTIONAL && value == nullptr &&
            isNumber(pointers[static_cast<std::size_t>(::optind)])) {
            value = pointers[static_cast<std::size_t>(::optind)];
            ::optind++;
        }
        if (value != nullptr) {
            checkChoice(command, spec, value);
        }
        result.options_[spec.name].emplace_back(value == nullptr ? "" : value);
    }
    for (int index = ::optind; index < count; index++) {
        result.operands_.emplace_back(pointers[static_cast<std::size_t>(index)]);
    }
    if (result.operands_.size() > command.mostOperands && !result.has("help")) {
        throw CommandFailureException(
            fmt::format("{} is too much: {}", result.operands_[command.mostOperands], helpHint(command)));
    }
    return result;
}

std::string Arguments::value(const std::string &option) const {
    const auto found = options_.find(option);
    return found == options_.end() ? "" : found->second.back();
}

std::vector<std::string> Arguments::all(const std::string &option) const {
    const auto found = options_.find(option);
    return found == options_.end() ? std::vector<std::string>() : found->second;
}

std::optional<std::chrono::milliseconds> Arguments::seconds(const std::string &option) const {
    constexpr double YEAR = 365 * 24 * 3600;
    constexpr double MILLISECONDS = 1000;
    if (!has(option)) {
        return std::nullopt;
    }
    const std::string text = value(option);
    char *end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    // The comparison is false for NaN.
    if (text.empty() || *end != '\0' || !(number >= 0 && number <= YEAR)) {
        throw CommandFailureException(
            fmt::format("--{} {} is not a time: write seconds, from 0 to a year (31536000)", option, text));
    }
    return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(number * MILLISECONDS)));
}

std::optional<std::uint64_t> Arguments::number(const std::string &option, std::uint64_t least, std::uint64_t most,
                                               const char *what) const {
    if (!has(option)) {
        return std::nullopt;
    }
    const std::string text = value(option);
    const auto number = wholeNumber<std::uint64_t>(text);
    if (!number || *number < least || *number > most) {
        throw CommandFailureException(
            fmt::format("--{} {} is not {}: write {} to {}", option, singleLine(text), what, least, most));
    }
    return number;
}

}  // namespace Passenger
