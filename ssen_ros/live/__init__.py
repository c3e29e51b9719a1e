"""A growing map between three threads; knows no ROS.

    subscription  --put-->  Intake  --receive-->  LiveMap  --take-->  InferenceWorker  --publish-->
    (middleware)            (ssen_intake)            ^                (ssen_inference)
                                                     |
                               reset, restore, ask: from any other thread

1. The thread of the *subscription* hands a cloud on. It waits only where clouds are parts of one map, none of
   which may be lost, and too many of them wait already.
2. The *intake* works clouds into the map, one at a time.
3. The *worker* takes the newest state of the map, makes one pass over it, and publishes the result.

An exception in the work on one cloud or one map ends none of them.

Order of locks: a thread that holds a lock takes only locks further to the right in the same line.

    InferenceWorker._publishing > LiveMap._receiving > VoxelMap._writing > VoxelMap._swapping
                                  LiveMap._receiving > LiveMap._lock > VoxelMap._swapping
    InferenceWorker._asking > LiveMap._lock
    InferenceWorker._publishing > LiveMap._lock

What the callbacks `publish` and `report` lock comes after `_publishing`, and may not ask for a pass and wait.
`LiveMap._lock`, `VoxelMap._swapping` and the condition of `Intake` are held for assignments alone.
"""
