#include "confinement/FileLimits.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"

namespace Passenger::FileLimits {

namespace {

// The kernel's interface, <linux/landlock.h>: the header of an older kernel lacks parts of it. The
// numbers are the same for all processors.
constexpr long CREATE_RULESET = 444;
constexpr long ADD_RULE = 445;
constexpr long RESTRICT_SELF = 446;
constexpr unsigned ASK_VERSION = 1;
constexpr int RULE_BENEATH = 1;
constexpr int RULE_PORT = 2;

constexpr std::uint64_t EXECUTE = 1U << 0U;
constexpr std::uint64_t WRITE_FILE = 1U << 1U;
constexpr std::uint64_t REMOVE_DIR = 1U << 4U;
constexpr std::uint64_t REMOVE_FILE = 1U << 5U;
constexpr std::uint64_t MAKE_CHAR = 1U << 6U;
constexpr std::uint64_t MAKE_DIR = 1U << 7U;
constexpr std::uint64_t MAKE_REG = 1U << 8U;
constexpr std::uint64_t MAKE_SOCK = 1U << 9U;
constexpr std::uint64_t MAKE_FIFO = 1U << 10U;
constexpr std::uint64_t MAKE_BLOCK = 1U << 11U;
constexpr std::uint64_t MAKE_SYM = 1U << 12U;
/** Rights of Landlock's versions 2, 3, 4 and 6. */
constexpr std::uint64_t REFER = 1U << 13U;
constexpr std::uint64_t TRUNCATE = 1U << 14U;
constexpr std::uint64_t BIND_TCP = 1U << 0U;
constexpr std::uint64_t CONNECT_TCP = 1U << 1U;
constexpr std::uint64_t ABSTRACT_SOCKETS = 1U << 0U;
constexpr std::uint64_t SIGNALS = 1U << 1U;
constexpr int WITH_REFER = 2;
constexpr int WITH_TRUNCATE = 3;
constexpr int WITH_TCP = 4;
constexpr int WITH_SCOPES = 6;

struct Ruleset {
    std::uint64_t files;
    std::uint64_t network;
    std::uint64_t scopes;
};

/** An older kernel knows the first members only. */
std::size_t sizeFor(int version) {
    return version >= WITH_SCOPES ? sizeof(Ruleset)
           : version >= WITH_TCP  ? offsetof(Ruleset, scopes)
                                  : offsetof(Ruleset, network);
}

struct __attribute__((packed)) Beneath {
    std::uint64_t allowed;
    std::int32_t parent;
};

struct Port {
    std::uint64_t allowed;
    std::uint64_t port;
};

/** What is refused. */
std::uint64_t changes(int version) {
    return WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_CHAR | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO |
           MAKE_BLOCK | MAKE_SYM | (version >= WITH_REFER ? REFER : 0) | (version >= WITH_TRUNCATE ? TRUNCATE : 0);
}

void addRule(const FileDescriptor &ruleset, int type, const void *rule, const std::string &what) {
    if (::syscall(ADD_RULE, ruleset.get(), type, rule, 0) != 0) {
        throw SystemException("landlock_add_rule(" + what + ")", errno);
    }
}

void allow(const FileDescriptor &ruleset, const std::string &path, std::uint64_t access) {
    const FileDescriptor place(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!place) {
        throw SystemException("open(\"" + path + "\")", errno);
    }
    const Beneath rule{access, place.get()};
    addRule(ruleset, RULE_BENEATH, &rule, path);
}

}  // namespace

int apply(const Exceptions &exceptions) {
    const int version = static_cast<int>(::syscall(CREATE_RULESET, nullptr, 0, ASK_VERSION));
    if (version <= 0) {
        return 0;
    }
    const bool network = version >= WITH_TCP;
    const Ruleset limits{changes(version) | (exceptions.executes ? 0 : EXECUTE), BIND_TCP | CONNECT_TCP,
                         ABSTRACT_SOCKETS | SIGNALS};
    const FileDescriptor ruleset(static_cast<int>(::syscall(CREATE_RULESET, &limits, sizeFor(version), 0)));
    throwUnless(ruleset, "landlock_create_ruleset");
    allow(ruleset, "/dev/null", WRITE_FILE);
    for (const std::uint16_t port : exceptions.ports) {
        const Port rule{CONNECT_TCP, port};
        if (network) {
            addRule(ruleset, RULE_PORT, &rule, "port");
        }
    }
    throwUnless(::syscall(RESTRICT_SELF, ruleset.get(), 0) == 0, "landlock_restrict_self");
    return version;
}

}  // namespace Passenger::FileLimits
