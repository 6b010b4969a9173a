# The event loop of the agent's processes. The module does not link it. Keep sorted, one file a
# line.
noinst_LTLIBRARIES += libpassenger_loop.la
libpassenger_loop_la_SOURCES = \
    %D%/DescriptorWatcher.cpp \
    %D%/EventLoop.cpp \
    %D%/Thread.cpp \
    %D%/Timer.cpp
libpassenger_loop_la_LIBADD = $(EV_LIBS) $(BOOST_LIBS)
