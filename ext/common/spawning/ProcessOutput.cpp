#include "spawning/ProcessOutput.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <exception>
#include <future>
#include <string_view>
#include <utility>

#include "base/Mutex.h"
#include "base/Poll.h"
#include "io/LineReader.h"
#include "log/Log.h"

namespace Passenger {

namespace {

constexpr std::size_t BLOCK = 65536;
/** The last bytes of each read are looked at line by line, for reports. */
constexpr std::size_t TAIL = 4096;
constexpr std::size_t MOST_READERS = 512;
/** A busy application needs no new thread for each of its reads. */
constexpr std::chrono::milliseconds READER_IDLE{100};

PatientThreads &readers() {
    // Never destroyed: a thread may still read at the end of the process.
    static PatientThreads &threads = *new PatientThreads("output", MOST_READERS, READER_IDLE);
    return threads;
}

bool readable(const FileDescriptor &pipe) {
    return pollUntil(pipe.get(), POLLIN, std::chrono::steady_clock::now());
}

}  // namespace

/** The pipe and its lines. One thread at a time reads. */
class ProcessOutput::Pipe : public std::enable_shared_from_this<Pipe> {
public:
    Pipe(EventLoop &loop, FileDescriptor pipe, Owner owner, Sink sink, std::shared_ptr<OutputLimit> limit)
        : owner_(owner), pipe_(std::move(pipe)), sink_(std::move(sink)), limit_(std::move(limit)), loop_(&loop) {}

    void watch(EventLoop &loop);
    /** On the loop. No read of it follows but those that are asked for. */
    void unwatch() EXCLUDES(mutex_);
    /** @param last the line that has no end is written, too. @return whether a thread will read */
    bool readSoon(std::function<void()> done, bool last) noexcept;

    void setPid(pid_t pid) EXCLUDES(mutex_);
    std::uint64_t count() EXCLUDES(mutex_);
    std::string linesAfter(std::uint64_t count) EXCLUDES(mutex_);
    const FileDescriptor &descriptor() const noexcept { return pipe_; }

    Owner owner() const noexcept { return owner_; }

private:
    enum class Next { END, READ, REST };

    void becameReadable() noexcept;
    void watchOn(Next next) EXCLUDES(mutex_);
    Next read() EXCLUDES(mutex_);
    void take(std::string_view bytes, bool drops) EXCLUDES(mutex_);
    void finish() EXCLUDES(mutex_);
    std::string_view skip(std::string_view bytes) REQUIRES(mutex_);
    void accept(std::string_view line) REQUIRES(mutex_);
    void writeWaiting() REQUIRES(mutex_);
    void write(const std::string &line) REQUIRES(mutex_);

    const Owner owner_;
    const FileDescriptor pipe_;
    const Sink sink_;
    std::shared_ptr<OutputLimit> limit_;

    // Of the thread that reads.
    bool ended_ = false;
    bool enlarged_ = false;

    // On the loop.
    std::unique_ptr<DescriptorWatcher> watcher_;
    std::unique_ptr<Timer> rest_;

    Mutex mutex_{Locks::PROCESS_OUTPUT};
    /** Null: the pipe is not watched any more, and the loop may have ended. */
    EventLoop *loop_ GUARDED_BY(mutex_);
    pid_t pid_ GUARDED_BY(mutex_) = 0;
    LineReader lines_ GUARDED_BY(mutex_);
    std::deque<std::string> kept_ GUARDED_BY(mutex_);
    std::size_t keptBytes_ GUARDED_BY(mutex_) = 0;
    std::uint64_t count_ GUARDED_BY(mutex_) = 0;
    std::deque<std::string> waiting_ GUARDED_BY(mutex_);
};

void ProcessOutput::Pipe::watch(EventLoop &loop) {
    rest_ = std::make_unique<Timer>(loop, [this] { watcher_->setEvents(DescriptorWatcher::READABLE); });
    // Events are set only after watcher_: the callback runs in another thread, perhaps at once, and
    // uses it.
    watcher_ = std::make_unique<DescriptorWatcher>(loop, pipe_.get(), 0, [this](int) { becameReadable(); });
    watcher_->setEvents(DescriptorWatcher::READABLE);
}

void ProcessOutput::Pipe::unwatch() {
    {
        const LockGuard guard(mutex_);
        loop_ = nullptr;
    }
    rest_.reset();
    watcher_.reset();
}

/** On the loop. Polling takes no lock of the pipe. */
void ProcessOutput::Pipe::becameReadable() noexcept {
    watcher_->setEvents(0);
    const bool reads = readers().tryRun(owner_, 1, [self = shared_from_this()] { self->watchOn(self->read()); });
    if (!reads) {
        rest_->start(REST);
    }
}

bool ProcessOutput::Pipe::readSoon(std::function<void()> done, bool last) noexcept {
    auto work = [self = shared_from_this(), done = std::move(done), last] {
        self->read();
        if (last) {
            self->finish();
        }
        done();
    };
    // Nobody asks for the last read again.
    return last ? readers().run(owner_, 1, std::move(work)) : readers().tryRun(owner_, 1, std::move(work));
}

void ProcessOutput::Pipe::watchOn(Next next) {
    if (next == Next::END) {
        return;
    }
    const LockGuard guard(mutex_);
    if (loop_ == nullptr) {
        return;
    }
    loop_->post([self = weak_from_this(), next] {
        const auto pipe = self.lock();
        if (!pipe || !pipe->watcher_) {
            return;
        }
        if (next == Next::REST) {
            pipe->rest_->start(REST);
        } else {
            pipe->watcher_->setEvents(DescriptorWatcher::READABLE);
        }
    });
}

ProcessOutput::Pipe::Next ProcessOutput::Pipe::read() {
    std::array<char, BLOCK> buffer;
    // Only the bytes are read that are there now. Otherwise a process that prints without pause
    // would keep the thread.
    std::size_t left = waitingIn(pipe_.get());
    const bool drops = limit_ && limit_->full();
    if (drops && !std::exchange(enlarged_, true)) {
        // A failure only makes the process wait more often.
        static_cast<void>(::fcntl(pipe_.get(), F_SETPIPE_SZ, LARGE_PIPE));
    }
    while (!ended_ && readable(pipe_)) {
        const ssize_t size = ::read(pipe_.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            ended_ = true;
            break;
        }
        take({buffer.data(), static_cast<std::size_t>(size)}, drops);
        if (static_cast<std::size_t>(size) >= left) {
            break;
        }
        left -= static_cast<std::size_t>(size);
    }
    return ended_ ? Next::END : drops ? Next::REST : Next::READ;
}

void ProcessOutput::Pipe::take(std::string_view bytes, bool drops) {
    const LockGuard guard(mutex_);
    lines_.feed(drops ? skip(bytes) : bytes, [this](std::string_view line) REQUIRES(mutex_) { accept(line); });
}

/** The limit ends with the last pipe of the application, and writes what it has kept. */
void ProcessOutput::Pipe::finish() {
    {
        const LockGuard guard(mutex_);
        lines_.finish([this](std::string_view line) REQUIRES(mutex_) { accept(line); });
        writeWaiting();
    }
    limit_.reset();
}

/** Counts all lines but the last ones. @return the bytes of those */
std::string_view ProcessOutput::Pipe::skip(std::string_view bytes) {
    const std::size_t end = bytes.size() > TAIL ? bytes.find('\n', bytes.size() - TAIL) : std::string_view::npos;
    if (end == std::string_view::npos) {
        return bytes;
    }
    const auto lines = static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.begin() + end + 1, '\n'));
    lines_.drop();
    // They are the last ones of all lines so far.
    kept_.clear();
    keptBytes_ = 0;
    count_ += lines;
    limit_->skipped(lines);
    return bytes.substr(end + 1);
}

void ProcessOutput::Pipe::accept(std::string_view line) {
    kept_.emplace_back(line);
    keptBytes_ += line.size();
    count_++;
    while (kept_.size() > KEPT_LINES || keptBytes_ > KEPT_BYTES) {
        keptBytes_ -= kept_.front().size();
        kept_.pop_front();
    }
    if (pid_ != 0) {
        write(kept_.back());
        return;
    }
    waiting_.emplace_back(line);
    // A process does not normally print so much before the agent knows its pid. The lines are
    // written to save memory.
    if (waiting_.size() > KEPT_LINES) {
        writeWaiting();
    }
}

void ProcessOutput::Pipe::writeWaiting() {
    for (const auto &line : waiting_) {
        write(line);
    }
    waiting_.clear();
}

void ProcessOutput::Pipe::write(const std::string &line) {
    if (limit_) {
        limit_->write(pid_, line, sink_);
    } else {
        sink_(pid_, line);
    }
}

void ProcessOutput::Pipe::setPid(pid_t pid) {
    const LockGuard guard(mutex_);
    pid_ = pid;
    writeWaiting();
}

std::uint64_t ProcessOutput::Pipe::count() {
    const LockGuard guard(mutex_);
    return count_;
}

std::string ProcessOutput::Pipe::linesAfter(std::uint64_t count) {
    const LockGuard guard(mutex_);
    const std::uint64_t gone = count_ - kept_.size();
    std::string result;
    for (std::size_t i = count > gone ? std::min<std::uint64_t>(count - gone, kept_.size()) : 0; i < kept_.size();
         i++) {
        result += kept_[i];
        result += '\n';
    }
    return result;
}

ProcessOutput::ProcessOutput(EventLoop &loop, FileDescriptor pipe, Owner owner, Sink sink,
                             std::shared_ptr<OutputLimit> limit)
    : loop_(loop),
      pipe_(std::make_shared<Pipe>(
          loop, std::move(pipe), owner,
          sink
              ? std::move(sink)
              : [](pid_t pid, const std::string &line) { Log::writeApplicationOutput(pid, line, Log::outputPrefix()); },
          std::move(limit))) {
    pipe_->watch(loop);
}

ProcessOutput::~ProcessOutput() {
    // On the loop, because the callbacks use what ends.
    loop_.runSync([this] { pipe_->unwatch(); });
    awaitReading(true);
}

void ProcessOutput::awaitReading(bool last) noexcept {
    try {
        const bool onLoop = loop_.onLoopThread();
        const bool waits = heldUp(pipe_->owner()) == 0 && !(onLoop && last);
        const auto done = std::make_shared<std::promise<void>>();
        const std::future<void> read = done->get_future();
        if ((last || waits) && pipe_->readSoon([done] { done->set_value(); }, last) && waits) {
            read.wait_for(onLoop ? PATIENCE_ON_LOOP : PATIENCE);
        }
    } catch (const std::exception &) {
        // There is no memory: the lines so far must do.
    }
}

void ProcessOutput::setPid(pid_t pid) {
    pipe_->setPid(pid);
}

std::string ProcessOutput::lastLines() {
    return linesAfter(0);
}

std::uint64_t ProcessOutput::lineCount() {
    awaitReading(false);
    return pipe_->count();
}

std::string ProcessOutput::linesAfter(std::uint64_t count) {
    awaitReading(false);
    return pipe_->linesAfter(count);
}

const FileDescriptor &ProcessOutput::descriptor() const noexcept {
    return pipe_->descriptor();
}

std::size_t ProcessOutput::heldUp(Owner owner) noexcept {
    return readers().heldUp(owner);
}

void ProcessOutput::awaitReaders(std::chrono::milliseconds time) {
    readers().await(time);
}

}  // namespace Passenger
