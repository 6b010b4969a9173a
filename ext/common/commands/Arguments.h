#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "commands/CommandTable.h"

namespace Passenger {

/** The options and operands that the user has given to a command. A plain value. */
class Arguments {
public:
    /**
     * @param words without the command's own name
     * @throws CommandFailureException names the word and says where help is
     */
    static Arguments parse(const CommandSpec &command, const std::vector<std::string> &words);

    bool has(const std::string &option) const { return options_.contains(option); }
    /** The option's arguments, if it is repeated, in their order. */
    std::vector<std::string> all(const std::string &option) const;
    /** The option's last argument; empty: the option or its argument is missing. */
    std::string value(const std::string &option) const;
    /** Rounds up: a tiny time does not become zero.
     *  @return nothing: the option is missing @throws CommandFailureException: it is no number */
    std::optional<std::chrono::milliseconds> seconds(const std::string &option) const;
    /** @param what for messages, as "a number of cores" @return, @throws as seconds() */
    std::optional<std::uint64_t> number(const std::string &option, std::uint64_t least, std::uint64_t most,
                                        const char *what = "a number") const;
    const std::vector<std::string> &operands() const noexcept { return operands_; }

private:
    std::map<std::string, std::vector<std::string>> options_;
    std::vector<std::string> operands_;
};

}  // namespace Passenger
