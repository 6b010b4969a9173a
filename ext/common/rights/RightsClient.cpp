#include "rights/RightsClient.h"

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/Lists.h"
#include "base/PidFd.h"
#include "io/AgentFailure.h"
#include "io/SocketPair.h"
#include "log/Log.h"
#include "rights/RightsMessages.h"

namespace Passenger {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t MOST_FREE_CONNECTIONS = 4;
/** The rights process gives a request up before. */
constexpr std::chrono::seconds ANSWER_LIMIT{RIGHTS_REQUEST_SECONDS + 5};
/** A look at a user's file that takes longer delays the looks at other users' files. */
constexpr std::chrono::seconds FILE_LIMIT{2};
/** Looks in one message. Where one of them waits for a file system, all of them are done again. */
constexpr std::size_t MOST_TOGETHER = 100;
/** The rights process reads its socket at once. */
constexpr std::chrono::milliseconds SEND_LIMIT{1000};
/** For what the event loop sends, also with the pool's lock: enough for many messages at once. */
constexpr std::chrono::milliseconds TELL_LIMIT{20};
/** After the end of the rights process: the time in which the watchdog starts another one. */
constexpr std::chrono::seconds REPLACEMENT_LIMIT{5};
constexpr std::chrono::milliseconds REPLACEMENT_PAUSE{20};

template <typename... Fields> Frame request(const char *verb, const Fields &...fields) {
    return Frame::of(FrameType::RIGHTS_REQUEST, verb, fields...);
}

std::string filesOf(const RunAs &user) {
    return fmt::format("uid={}", user.uid);
}

Frame lookRequest(const char *verb, const std::vector<FolderLook> &looks) {
    Frame frame = request(verb);
    for (const FolderLook &look : looks) {
        frame.add(int{look.writes});
        addList(frame, look.folders);
        frame.add(2 * look.user.options.size());
        frame.add(look.user.options);
    }
    return frame;
}

std::vector<int> watchesIn(const std::vector<std::string> &fields) {
    return listOf(fields, [](const std::string &field) { return std::stoi(field); });
}

}  // namespace

RightsClient::RightsClient(FileDescriptor socket) : main_(std::move(socket)) {}

void RightsClient::use(FileDescriptor socket) {
    FrameSocket main(std::move(socket));
    std::vector<FrameSocket> old;
    const LockGuard guard(mutex_);
    std::swap(main_, main);
    old.swap(free_);
    ++generation_;
    try {
        sendUnsent(SEND_LIMIT);
    } catch (const std::exception &error) {
        // This rights process is gone, too. The next one gets the rest.
        Log::warn("event=rights.unreachable error=\"{}\"", error.what());
    }
}

void RightsClient::tidy() {
    const LockGuard guard(mutex_);
    try {
        sendUnsent(0s);
    } catch (const std::exception &error) {
        Log::info("event=rights.unreachable error=\"{}\" note=\"the signal is sent later\"", error.what());
    }
}

unsigned RightsClient::generation() const {
    const LockGuard guard(mutex_);
    return generation_;
}

FrameSocket RightsClient::connect() {
    DescriptorPair pair = makeStreamPair();
    const LockGuard guard(mutex_);
    main_.send(Frame(FrameType::RIGHTS_CONNECT), {pair.second.get()}, FrameSocket::in(SEND_LIMIT));
    return FrameSocket(std::move(pair.first));
}

FrameSocket RightsClient::takeConnection() {
    {
        const LockGuard guard(mutex_);
        if (!free_.empty()) {
            FrameSocket connection = std::move(free_.back());
            free_.pop_back();
            return connection;
        }
    }
    return connect();
}

void RightsClient::giveBack(FrameSocket connection, unsigned generation) {
    const LockGuard guard(mutex_);
    if (generation == generation_ && free_.size() < MOST_FREE_CONNECTIONS) {
        free_.push_back(std::move(connection));
    }
}

/**
 * The process behind a connection ends when the settings change, and the rights process may die:
 * the request is repeated then. A repeated request does no harm: a spawn server that was started in
 * vain finds its socket closed.
 */
Frame RightsClient::ask(const Frame &request, const std::vector<int> &descriptors, std::chrono::seconds limit) {
    const auto replaced = FrameSocket::in(REPLACEMENT_LIMIT);
    const auto deadline = FrameSocket::in(limit > 0s ? limit : ANSWER_LIMIT);
    for (;;) {
        try {
            const unsigned generation = this->generation();
            FrameSocket connection = takeConnection();
            try {
                connection.send(request, descriptors, deadline);
            } catch (const SystemException &error) {
                // The rights process may have said why it does not serve the connection.
                if (!lostContact(error)) {
                    throw;
                }
            }
            Frame answer = connection.receive(deadline);
            giveBack(std::move(connection), generation);
            if (answer.type == FrameType::AGENT_FAILED) {
                throwFailure(answer);
            }
            if (answer.type != FrameType::RIGHTS_DONE) {
                throw ProtocolException("the rights process sent a frame that is no answer");
            }
            return answer;
        } catch (const std::exception &error) {
            if (!lostContact(error) || std::chrono::steady_clock::now() > std::min(replaced, deadline)) {
                throw;
            }
        }
        std::this_thread::sleep_for(REPLACEMENT_PAUSE);
    }
}

Frame RightsClient::askAbout(const std::string &files, const Frame &request, std::chrono::seconds limit,
                             const std::vector<int> &descriptors) {
    {
        const LockGuard guard(mutex_);
        silent_.ask(files, std::chrono::steady_clock::now());
    }
    const auto timedOut = [&] {
        const LockGuard guard(mutex_);
        const auto pause = silent_.timedOut(files, std::chrono::steady_clock::now());
        Log::warn("event=rights.slow {} verb=\"{}\" minutes={} note=\"the file system does not answer\"", files,
                  request.field(0), pause.count());
    };
    const auto begun = std::chrono::steady_clock::now();
    try {
        Frame answer = ask(request, descriptors, limit);
        const LockGuard guard(mutex_);
        silent_.answered(files);
        return answer;
    } catch (const TimeoutException &) {
        timedOut();
        throw;
    } catch (const EndOfFileException &) {
        const auto now = std::chrono::steady_clock::now();
        // The process that worked on the request has been ended by its timer.
        if (now - begun >= std::chrono::seconds(RIGHTS_REQUEST_SECONDS)) {
            timedOut();
            throw TimeoutException(fmt::format("the file system ({}) does not answer", files));
        }
        const LockGuard guard(mutex_);
        silent_.notAsked(files, now);
        throw;
    } catch (const std::exception &) {
        const LockGuard guard(mutex_);
        silent_.answered(files);
        throw;
    }
}

/** The user is not known yet: the folder of the application has the silence. */
tl::expected<RunAs, std::string> RightsClient::userOf(const Options &options, const UserResolver & /*own*/,
                                                      bool /*canSwitch*/) {
    const Frame answer = askAbout(fmt::format("app=\"{}\"", options.appRoot),
                                  request(RightsVerb::USER_OF, userOptionsOf(options)), ANSWER_LIMIT);
    if (answer.fields.size() == 1) {
        return tl::unexpected(answer.field(0));
    }
    RunAs runAs = runAsIn(answer, 0);
    runAs.options = ownerOptionsOf(options);
    return runAs;
}

HelperProcess RightsClient::helperIn(Frame answer) const {
    FileDescriptor pidFd = answer.takeDescriptor(0);
    return {static_cast<pid_t>(answer.number(0)), std::move(pidFd)};
}

HelperProcess RightsClient::start(const SpawnServerStart &server) {
    return helperIn(ask(request(RightsVerb::START_SPAWN_SERVER, server.user, server.group, server.userOptions),
                        {server.control, server.output}));
}

HelperProcess RightsClient::start(const PreStartHelper &helper) {
    const std::vector<std::string> urls(helper.urls.begin(), helper.urls.end());
    return helperIn(ask(request(RightsVerb::START_PRE_START, urls), {helper.output}));
}

HelperProcess RightsClient::start(const EventCommandStart &start) {
    return helperIn(ask(request(RightsVerb::START_EVENT_COMMAND, start.variables), {start.output}));
}

/** Without an answer: the event loop must not wait. The rights process logs a failure. */
bool RightsClient::signal(const FileDescriptor &pidFd, int signal) {
    if (waitPidFd(pidFd, 0ms)) {
        return false;
    }
    const LockGuard guard(mutex_);
    try {
        sendUnsent(0s);
        sendSignal(pidFd, signal, TELL_LIMIT);
    } catch (const std::exception &error) {
        // Throws without a free descriptor: the signal is lost, and the caller knows the pid.
        unsent_.emplace_back(pidFd.duplicate(), signal);
        Log::warn("event=rights.unreachable error=\"{}\" note=\"the signal is sent later\"", error.what());
    }
    return true;
}

void RightsClient::sendSignal(const FileDescriptor &pidFd, int signal, std::chrono::milliseconds limit) {
    main_.send(Frame::of(FrameType::RIGHTS_SIGNAL, signal), {pidFd.get()}, FrameSocket::in(limit));
}

void RightsClient::sendUnsent(std::chrono::milliseconds limit) {
    for (; !unsent_.empty(); unsent_.pop_back()) {
        sendSignal(unsent_.back().first, unsent_.back().second, limit);
    }
}

GroupJoined RightsClient::joinGroup(const FileDescriptor &pidFd, const GroupRequest &wanted) {
    const auto &limits = wanted.limits;
    const Frame answer = ask(request(RightsVerb::PLACE, wanted.group, wanted.label, limits.memory, limits.cpuWeight,
                                     limits.tasks, wanted.bootTasks),
                             {pidFd.get()});
    GroupJoined joined{answer.field(0), {}, answer.number(1), answer.field(2)};
    joined.problems.assign(answer.fields.begin() + 3, answer.fields.end());
    return joined;
}

void RightsClient::endBoot(const FileDescriptor &pidFd) {
    ask(request(RightsVerb::END_BOOT), {pidFd.get()});
}

void RightsClient::setPriority(const FileDescriptor &pidFd, bool low) {
    ask(request(RightsVerb::PRIORITY, int{low}), {pidFd.get()});
}

std::uint64_t RightsClient::tasksOf(uid_t user) {
    return ask(request(RightsVerb::TASKS, user)).number(0);
}

void RightsClient::endGroup(const std::string &group) noexcept {
    tell(Frame(FrameType::RIGHTS_END_GROUP, {group}), {}, "a control group ends with the agent");
}

void RightsClient::endEarlierGroups(pid_t /*pool*/, const std::vector<std::string> &kept) noexcept {
    tell(Frame::of(FrameType::RIGHTS_END_GROUP, "", kept), {}, "a control group ends with the agent");
}

void RightsClient::giveRoom(const FileDescriptor &socket, int bytes) noexcept {
    if (bytes > 0) {
        tell(Frame::of(FrameType::RIGHTS_ROOM, bytes), {socket.get()}, "a request queue has less room");
    }
}

/** Without an answer, as a signal. */
void RightsClient::tell(const Frame &frame, const std::vector<int> &descriptors, const char *consequence) noexcept {
    try {
        const LockGuard guard(mutex_);
        main_.send(frame, descriptors, FrameSocket::in(TELL_LIMIT));
    } catch (const std::exception &error) {
        Log::warn("event=rights.unreachable error=\"{}\" note=\"{}\"", error.what(), consequence);
    }
}

FileDescriptor RightsClient::openForAppending(const std::string &path, const RunAs &owner, AppFile::NamedBy /*by*/) {
    return askAbout(fmt::format("file=\"{}\"", path), request(RightsVerb::APPEND, path, owner.options), ANSWER_LIMIT)
        .takeDescriptor(0);
}

FileDescriptor RightsClient::openForReading(const std::string &path, const RunAs &owner, AppFile::NamedBy /*by*/) {
    return askAbout(filesOf(owner), request(RightsVerb::READ, path, owner.options), FILE_LIMIT).takeDescriptor(0);
}

bool RightsClient::wasSilent(const FolderLook &look) const {
    const LockGuard guard(mutex_);
    return silent_.contains(filesOf(look.user));
}

RightsClient::Results RightsClient::lookTogether(const char *verb, const std::vector<FolderLook> &looks,
                                                 const std::vector<int> &descriptors) {
    const Frame answer = ask(lookRequest(verb, looks), descriptors, FILE_LIMIT);
    Results results(looks.size());
    std::size_t next = 0;
    for (auto &result : results) {
        result = listIn(answer, next);
    }
    return results;
}

std::vector<std::string> RightsClient::lookAlone(const char *verb, const FolderLook &look,
                                                 const std::vector<int> &descriptors) {
    try {
        std::size_t next = 0;
        return listIn(askAbout(filesOf(look.user), lookRequest(verb, {look}), FILE_LIMIT, descriptors), next);
    } catch (const std::exception &) {
        return {};
    }
}

/**
 * In messages of MOST_TOGETHER looks. One by one where a file system does not answer: only the
 * looks of its user are to fail. So are the looks of users whose files did not answer the last
 * time. All looks fail where the rights process cannot serve: the next time may be better.
 */
RightsClient::Results RightsClient::look(const char *verb, const std::vector<FolderLook> &looks,
                                         const std::vector<int> &descriptors) {
    Results results(looks.size());
    std::vector<std::size_t> others;
    for (std::size_t i = 0; i < looks.size(); ++i) {
        if (looks.size() == 1 || wasSilent(looks[i])) {
            results[i] = lookAlone(verb, looks[i], descriptors);
        } else {
            others.push_back(i);
        }
    }
    for (std::size_t next = 0; next < others.size(); next += MOST_TOGETHER) {
        std::vector<FolderLook> some;
        const std::size_t end = std::min(next + MOST_TOGETHER, others.size());
        for (std::size_t i = next; i < end; ++i) {
            some.push_back(looks[others[i]]);
        }
        Results found;
        try {
            found = lookTogether(verb, some, descriptors);
        } catch (const SystemException &error) {
            Log::info("event=rights.unreachable error=\"{}\" note=\"no folder is looked at\"", error.what());
            break;
        } catch (const std::exception &) {
            for (const FolderLook &look : some) {
                found.push_back(lookAlone(verb, look, descriptors));
            }
        }
        for (std::size_t i = next; i < end; ++i) {
            results[others[i]] = std::move(found[i - next]);
        }
    }
    return results;
}

std::vector<std::optional<RestartTimes>> RightsClient::modified(const std::vector<FolderLook> &looks) {
    return listOf(look(RightsVerb::MODIFIED, looks, {}), [](const auto &times) {
        return times.empty() ? std::nullopt : std::optional(RestartTimes{times.at(0), times.at(1)});
    });
}

std::vector<std::vector<int>> RightsClient::watch(const FileDescriptor &inotify, const std::vector<FolderLook> &looks) {
    return listOf(look(RightsVerb::WATCH, looks, {inotify.get()}), watchesIn);
}

ProcessFacts::Files RightsClient::procFilesOf(pid_t pid) {
    const Frame answer = ask(request(RightsVerb::FACTS, pid));
    return {answer.field(0), answer.field(1), answer.field(2)};
}

std::optional<ProcessMemory> RightsClient::memoryOf(pid_t pid, bool descendants) {
    const Frame answer = ask(request(RightsVerb::MEMORY, pid, descendants));
    if (answer.fields.empty()) {
        return std::nullopt;
    }
    ProcessMemory memory;
    memory.proportional = answer.number(0);
    memory.privateClean = answer.number(1);
    memory.privateDirty = answer.number(2);
    memory.swap = answer.number(3);
    memory.swapProportional = answer.number(4);
    memory.anonymous = answer.number(5);
    return memory;
}

void RightsClient::prepareSpawnDir(const std::string & /*folder*/) {
    ask(request(RightsVerb::PREPARE_SPAWN_DIR));
}

void RightsClient::removeSocketFolders(const std::string & /*folder*/, pid_t bridge) {
    ask(request(RightsVerb::REMOVE_SOCKET_FOLDERS, bridge));
}

RegistryFolder RightsClient::makeRegistry(const std::string & /*parent*/, unsigned backlog, pid_t /*anchor*/,
                                          pid_t /*pool*/) {
    Frame answer = ask(request(RightsVerb::MAKE_REGISTRY, backlog));
    FileDescriptor lock = answer.takeDescriptor(0);
    FileDescriptor socket = answer.takeDescriptor(1);
    return {answer.field(0), std::move(lock), std::move(socket), answer.takeDescriptor(2)};
}

void RightsClient::removeRegistry(const std::string &folder, pid_t /*anchor*/) {
    ask(request(RightsVerb::REMOVE_REGISTRY, folder));
}

FileDescriptor RightsClient::openDescriptorLog(const std::string & /*path*/) {
    return ask(request(RightsVerb::DESCRIPTOR_LOG)).takeDescriptor(0);
}

}  // namespace Passenger
