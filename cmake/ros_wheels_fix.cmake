# Two corrections of include directories that a ROS distribution does not need
# and that do nothing there. They run at the end of the configuration, because
# rosidl finds packages and makes targets long after this file is included.

# The ROS wheels on PyPI export targets that still name include directories of
# the machine they were built on; CMake refuses to generate when a linked target
# names a directory that is not there.
function(ssen_remove_missing_include_directories)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(existing "")
    foreach(directory IN LISTS directories)
      # A generator expression cannot be judged here; it stays.
      if(directory MATCHES "^\\$<" OR IS_DIRECTORY "${directory}")
        list(APPEND existing "${directory}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${existing}")
  endforeach()
endfunction()

# rosidl exports numpy's include directory with the generated Python target.
# Where the virtual environment lies inside the checkout (`make` puts it there),
# CMake takes that for an export of the source tree and refuses; consumers find
# numpy by themselves, so the directory is marked as needed by this build only.
function(ssen_keep_source_directories_out_of_exports)
  get_property(targets DIRECTORY PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(exportable "")
    foreach(directory IN LISTS directories)
      string(FIND "${directory}" "${CMAKE_SOURCE_DIR}/" position)
      if(position EQUAL 0)
        set(directory "$<BUILD_INTERFACE:${directory}>")
      endif()
      list(APPEND exportable "${directory}")
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${exportable}")
  endforeach()
endfunction()

cmake_language(DEFER CALL ssen_remove_missing_include_directories)
cmake_language(DEFER CALL ssen_keep_source_directories_out_of_exports)
