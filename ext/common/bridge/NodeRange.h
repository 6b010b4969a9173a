#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

namespace Passenger::Bridge {

/** Major, minor and patch number of a Node. */
using NodeVersion = std::array<unsigned, 3>;

/** `v20.11.1` or `20.11.1`; nothing: it is something else. */
std::optional<NodeVersion> parseNodeVersion(std::string_view text);

/** The versions of Node that an application wants. A plain value. */
class NodeRange {
public:
    /**
     * @param text as in `.nvmrc` and `.node-version` (`20`, `v20.11.1`, `lts/iron`, `node`), or as
     *     in package.json's `engines` (`>=18 <21`, `^20.1 || 22.x`; docs.npmjs.com, "semver")
     * @return nothing: the text is not understood
     */
    static std::optional<NodeRange> parse(std::string_view text);

    bool allows(const NodeVersion &version) const;

private:
    /** From the first version to before the second one. */
    struct Span {
        NodeVersion from{0, 0, 0};
        NodeVersion before{~0U, 0, 0};
    };

    static bool narrow(Span &span, std::string_view comparator);
    static std::optional<Span> parseAll(std::string_view comparators);

    /** Any of them. */
    std::vector<Span> spans_;
    /** Only versions with long support: those with an even major number. */
    bool longSupport_ = false;
};

}  // namespace Passenger::Bridge
