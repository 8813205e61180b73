"""One module for each page, found by being here; the package above says how to add one."""
