package rootfs

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// User is an entry of the image's /etc/passwd.
type User struct {
	Name     string
	UID, GID uint32
	Home     string
	// Known is false for a bare number that no entry has.
	Known bool
}

// LookupUser finds a user of the image by name or number. A number without an
// entry is a user all the same; its group has the same number, as with kaniko.
func (f *FS) LookupUser(nameOrID string) (User, error) {
	var byID *User
	for _, fields := range f.database("/etc/passwd") {
		if len(fields) < 6 {
			continue
		}
		uid, errUID := strconv.ParseUint(fields[2], 10, 32)
		gid, errGID := strconv.ParseUint(fields[3], 10, 32)
		if errUID != nil || errGID != nil {
			continue
		}
		u := User{Name: fields[0], UID: uint32(uid), GID: uint32(gid), Home: fields[5], Known: true}
		if u.Name == nameOrID {
			return u, nil
		}
		if byID == nil && fields[2] == nameOrID {
			byID = &u
		}
	}
	if byID != nil {
		return *byID, nil
	}
	id, err := strconv.ParseUint(nameOrID, 10, 32)
	if err != nil {
		return User{}, fmt.Errorf("user %v is not a uid and does not exist on the system", nameOrID)
	}
	return User{UID: uint32(id), GID: uint32(id), Home: "/"}, nil
}

// LookupGroup finds a group of the image by name or number.
func (f *FS) LookupGroup(nameOrID string) (uint32, error) {
	for _, fields := range f.database("/etc/group") {
		if len(fields) >= 3 && fields[0] == nameOrID {
			id, err := strconv.ParseUint(fields[2], 10, 32)
			return uint32(id), err
		}
	}
	id, err := strconv.ParseUint(nameOrID, 10, 32)
	return uint32(id), err // kaniko says no more
}

// SupplementaryGroups gives the groups of a known user, its own among them.
func (f *FS) SupplementaryGroups(u User) []uint32 {
	groups := []uint32{u.GID}
	for _, fields := range f.database("/etc/group") {
		if len(fields) < 4 || !slices.Contains(strings.Split(fields[3], ","), u.Name) {
			continue
		}
		id, err := strconv.ParseUint(fields[2], 10, 32)
		if err == nil && !slices.Contains(groups, uint32(id)) {
			groups = append(groups, uint32(id))
		}
	}
	return groups
}

// Owner turns "user[:group]" into numbers; without a group, the number of the
// group is that of the user.
func (f *FS) Owner(userGroup string) (uid, gid int, err error) {
	userPart, groupPart, _ := strings.Cut(userGroup, ":")
	u, err := f.LookupUser(userPart)
	if err != nil {
		return -1, -1, err
	}
	if groupPart == "" {
		return int(u.UID), int(u.UID), nil
	}
	group, err := f.LookupGroup(groupPart)
	if err != nil {
		return -1, -1, err
	}
	return int(u.UID), int(group), nil
}

// database reads a colon-separated file of the image; a missing one is empty.
func (f *FS) database(p string) [][]string {
	host, err := f.Follow(p)
	if err != nil {
		return nil
	}
	file, err := os.Open(host)
	if err != nil {
		return nil
	}
	defer file.Close()
	var rows [][]string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line != "" && !strings.HasPrefix(line, "#") {
			rows = append(rows, strings.Split(line, ":"))
		}
	}
	return rows
}
