#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "io/SocketPair.h"

namespace Passenger {

/** Types of frames (doc/PROTOCOLS.md, section 4). */
enum class FrameType : std::uint16_t {
    // child <-> agent
    HELLO = 1,
    WELCOME = 2,
    ATTACH = 3,
    ATTACHED = 4,
    REFUSED = 5,
    REGISTER = 6,
    REGISTERED = 7,
    UNREGISTER = 8,
    QUERY = 9,
    VALUE = 10,
    GET_REPORT = 11,
    REPORT = 12,
    OVERRAN = 13,
    CONTROL = 14,
    SLOW = 15,
    CHECK_RESTART = 16,
    OPTIONS = 17,
    // agent <-> spawn server
    SPAWN_HELLO = 32,
    SPAWN_START = 33,
    SPAWN_STARTED = 34,
    SPAWN_FAILED = 35,
    SPAWN_IDLE = 36,
    SPAWN_FORKED = 37,
    SPAWN_GO = 38,
    // agent <-> preloader, instance
    PROCESS_HELLO = 48,
    LOAD = 49,
    STEP = 50,
    LOADED = 51,
    FAILED = 52,
    FORK = 53,
    FORKED = 54,
    SERVE = 55,
    READY = 56,
    FETCH = 57,
    CHANNEL = 58,
    NO_CHANNEL = 59,
    DROP = 60,
    FINISH = 61,
    LIMIT_REACHED = 62,
    PAUSE = 63,
    WARM = 80,
    REFORK = 81,
    HEARTBEAT = 82,
    THREADS = 83,
    // httpd's parent <-> watchdog <-> pool process
    AGENT_START = 64,
    AGENT_STARTED = 65,
    AGENT_FAILED = 66,
    SETTINGS = 67,
    STOP = 68,
    STORE = 69,
    REMOVE = 70,
    RESTORE = 71,
    BEGIN = 72,
    POOL_READY = 73,
    PING = 74,
    PONG = 75,
    STOPPING = 76,
    SETTINGS_DONE = 77,
    REOPEN_LOG = 78,
    LOG_REOPENED = 79,
    // pool process <-> rights process
    RIGHTS_SOCKET = 96,
    RIGHTS_CONNECT = 97,
    RIGHTS_SIGNAL = 98,
    RIGHTS_REQUEST = 99,
    RIGHTS_DONE = 100,
    RIGHTS_ROOM = 101,
    RIGHTS_END_GROUP = 102,
    // commands, httpd's children <-> agent
    ORDER = 112,
    ORDER_DONE = 113,
    ORDER_REFUSED = 114
};

/** The agent's byte on the connect socket, without a descriptor: it has none for a connection. */
inline constexpr char CONNECTION_REFUSED = 'F';
/** Statuses of REFUSED: the agent has no descriptor left; no application has the slot of a
 *  REGISTER. */
inline constexpr unsigned NO_DESCRIPTOR = 503;
inline constexpr unsigned NO_SUCH_SLOT = 404;

/** A message between processes outside the hot path: a type, byte strings, descriptors. */
struct Frame {
    static constexpr std::size_t HEADER_SIZE = 8;
    static constexpr std::size_t MAX_SIZE = 1024 * 1024;
    /** The limit of frames with AgentSettings, for receivers that trust the sender. */
    static constexpr std::size_t MAX_SETTINGS_SIZE = 64 * MAX_SIZE;
    static constexpr std::size_t MAX_FIELDS = 65535;

    FrameType type{};
    std::vector<std::string> fields;
    std::vector<FileDescriptor> descriptors;
    /** Set on received frames if the socket has SO_PASSCRED. */
    PeerCredentials sender;

    Frame() = default;
    explicit Frame(FrameType type, std::vector<std::string> fields = {}) : type(type), fields(std::move(fields)) {}
    /** A frame with what add() takes. */
    template <typename... Fields> static Frame of(FrameType type, const Fields &...fields) {
        Frame frame(type);
        (frame.add(fields), ...);
        return frame;
    }

    /** @throws ProtocolException `problem`: the frame is not of this type */
    void expect(FrameType expected, const char *problem) const;
    /** Field `index`. @throws ProtocolException if the frame has no such field */
    const std::string &field(std::size_t index) const;
    /**
     * Field `index` as a decimal number.
     * @throws ProtocolException if it is no number or too large
     */
    std::uint64_t number(std::size_t index) const;
    /** The fields from `first` on as a map. @throws ProtocolException if their count is odd */
    std::map<std::string, std::string> map(std::size_t first) const;
    void add(std::string_view field) { fields.emplace_back(field); }
    /** A negative number comes back where the receiver casts number() to a signed type. */
    template <std::integral Number> void add(Number number) {
        fields.push_back(std::to_string(static_cast<std::uint64_t>(number)));
    }
    template <typename Tag, typename Value> void add(StrongId<Tag, Value> id) { add(id.value()); }
    void add(const std::vector<std::string> &texts) { fields.insert(fields.end(), texts.begin(), texts.end()); }
    void add(const std::map<std::string, std::string> &map);
    /**
     * Moves descriptor `index` out.
     * @throws ProtocolException if the frame has no such descriptor
     */
    FileDescriptor takeDescriptor(std::size_t index);

    /** Header and fields. @throws ProtocolException if the frame exceeds a limit */
    std::string encode() const;
};

}  // namespace Passenger

// Users include this file; it includes the reader and writer of frames.
#include "io/FrameSocket.h"
