#include "support/FakeInstances.h"

#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>

#include "base/PidFd.h"
#include "io/SocketPair.h"
#include "support/Eventually.h"

namespace Passenger {

FakeInstances::FakeInstances(EventLoop &loop, DummySpawnerFactory &factory) : loop_(loop) {
    factory.makeResult = [this](const Options &) { return make(); };
}

FakeInstances::~FakeInstances() {
    for (std::size_t i = 0; i < count(); i++) {
        kill(i);
    }
}

SpawnResult FakeInstances::make() {
    DescriptorPair control = makeStreamPair();
    DescriptorPair output = makePipe();
    const pid_t pid = ::fork();
    if (pid == 0) {
        // A connection that another thread has just made would stay open in this process.
        ::syscall(SYS_close_range, 3U, UINT_MAX, 0U);
        for (;;) {
            ::pause();
        }
    }
    SpawnResult result;
    result.pid = pid;
    result.pidFd = openPidFd(pid);
    result.control = FrameSocket(std::move(control.first));
    result.output = std::make_shared<ProcessOutput>(loop_, std::move(output.first), 0);
    FrameSocket theirs(std::move(control.second));
    if (saysReady) {
        theirs.send(Frame(FrameType::READY), FrameSocket::in(std::chrono::seconds(60)));
    }
    const std::lock_guard<std::mutex> guard(mutex_);
    instances_.push_back({pid, std::move(theirs), std::move(output.second)});
    return result;
}

FakeInstances::Instance &FakeInstances::at(std::size_t index) {
    const std::lock_guard<std::mutex> guard(mutex_);
    return instances_.at(index);
}

std::size_t FakeInstances::count() const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return instances_.size();
}

pid_t FakeInstances::pid(std::size_t index) {
    return at(index).pid;
}

Frame FakeInstances::frame(std::size_t index) {
    eventually([&] { return count() > index; });
    return at(index).control.receive(FrameSocket::in(std::chrono::seconds(60)));
}

bool FakeInstances::silent(std::size_t index) {
    pollfd entry{at(index).control.descriptor().get(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 0;
}

void FakeInstances::send(std::size_t index, const Frame &frame) {
    at(index).control.send(frame, FrameSocket::in(std::chrono::seconds(60)));
}

bool FakeInstances::wasRead(std::size_t index) {
    int unread = 0;
    return ::ioctl(at(index).control.descriptor().get(), SIOCOUTQ, &unread) == 0 && unread == 0;
}

void FakeInstances::kill(std::size_t index) {
    Instance &instance = at(index);
    if (instance.pid > 0) {
        ::kill(instance.pid, SIGKILL);
        ::waitpid(instance.pid, nullptr, 0);
        instance.pid = 0;
    }
}

}  // namespace Passenger
