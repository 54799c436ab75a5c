"""How the closed sets are called on a page. Every state, role, act and need has a word; a test counts them."""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from notary.lifecycle import Act, Need, Role, State

STATES: dict[State, LazyString] = {
    State.DRAFT: _("还没交"),
    State.SUBMITTED: _("已提交，等受理"),
    State.RETURNED: _("请补材料"),
    State.NOT_ACCEPTED: _("没有受理"),
    State.ACCEPTED: _("已受理，等约时间"),
    State.SCHEDULED: _("已约好时间"),
    State.INTERVIEW: _("正在视频"),
    State.SUSPENDED: _("视频暂停"),
    State.DRAFTING: _("正在写公证书"),
    State.APPROVAL: _("等审批"),
    State.APPROVED: _("已批准，等盖章"),
    State.ISSUED: _("已出证"),
    State.DELIVERED: _("已送达"),
    State.WITHDRAWN: _("已撤回"),
    State.REFUSED: _("不予办理"),
    State.TERMINATED: _("已终止"),
    State.UNDER_REVIEW: _("正在复查"),
    State.UPHELD: _("复查维持"),
    State.CORRECTED: _("已补正"),
    State.REVOKED: _("已撤销"),
}

ROLES: dict[Role, LazyString] = {
    Role.APPLICANT: _("申请人"),
    Role.CLERK: _("服务点办事员"),
    Role.OPERATOR: _("接线员"),
    Role.ASSISTANT: _("公证员助理"),
    Role.NOTARY: _("公证员"),
    Role.APPROVER: _("审批人"),
    Role.ADMIN: _("管理员"),
    Role.BANK: _("银行"),
    Role.SYSTEM: _("系统"),
}

ACTS: dict[Act, LazyString] = {
    Act.SUBMIT: _("交了申请"),
    Act.RETURN: _("请申请人补材料"),
    Act.ACCEPT: _("受理了"),
    Act.DECLINE: _("没有受理"),
    Act.SCHEDULE: _("约了时间"),
    Act.RESCHEDULE: _("改了时间"),
    Act.CANCEL: _("取消了预约"),
    Act.MISS: _("没有到场"),
    Act.OPEN: _("视频开始了"),
    Act.SUSPEND: _("视频暂停了"),
    Act.RESUME: _("视频接着办了"),
    Act.BREAK_OFF: _("视频提前结束，另约"),
    Act.CLOSE: _("视频办完了"),
    Act.PROPOSE: _("报了审批"),
    Act.SEND_BACK: _("退回修改了"),
    Act.APPROVE: _("批准了"),
    Act.VOID: _("编号作废了"),
    Act.ISSUE: _("出证了"),
    Act.DELIVER: _("送达了"),
    Act.WITHDRAW: _("撤回了申请"),
    Act.REFUSE: _("不予办理"),
    Act.TERMINATE: _("终止了"),
    Act.QUESTION: _("开始复查"),
    Act.UPHOLD: _("复查维持"),
    Act.CORRECT: _("补正了公证书"),
    Act.REVOKE: _("撤销了公证书"),
}

NEEDS: dict[Need, LazyString] = {
    Need.FIELDS: _("申请表还有必填的没填"),
    Need.MATERIALS: _("还有必交的材料没交"),
    Need.DECLARED: _("还没有声明本人有利害关系、没有争议"),
    Need.REASON: _("还没写理由"),
    Need.REMOTE: _("这件事不能远程办"),
    Need.NO_CONFLICT: _("公证员要回避，或者还没声明不用回避"),
    Need.CARD_CONFIRMED: _("临时身份证，要先记下公安的核实结果"),
    Need.SLOT: _("还没有选好时间"),
    Need.NOTICE_SIGNED: _("告知书还没签"),
    Need.DEVICE: _("对方设备还没检查好"),
    Need.RECORDER: _("录像还没开始写"),
    Need.CONSENT: _("录像同意还没拿到"),
    Need.IDENTITY: _("身份四项还没做完"),
    Need.ANSWERED: _("还有必问问题没有回答"),
    Need.SHOWN: _("文件还没有逐页给对方看完"),
    Need.SIGNED: _("还没有签字"),
    Need.MINUTES: _("笔录还没有核对签字"),
    Need.RECORDING: _("没有完整的录像"),
    Need.FINDINGS: _("审查意见还没写全"),
    Need.DRAFT: _("公证书草稿还没写好"),
    Need.OTHER_PERSON: _("必须换一个人来做"),
    Need.SECOND_PERSON: _("要承办公证员提请、另一个人决定"),
    Need.DEED: _("公证书还没有生成好"),
    Need.RECEIPTS: _("还有收件人没收到"),
}

NEXT: dict[State, LazyString] = {
    State.DRAFT: _("请把申请填完、交上来。"),
    State.SUBMITTED: _("我们在看材料，工作时间内 30 分钟左右。看完发短信给您。"),
    State.RETURNED: _("请照下面列的补好，再交一次。"),
    State.NOT_ACCEPTED: _("理由和别的办法写在下面。"),
    State.ACCEPTED: _("请约一个视频时间，或者现在排队。"),
    State.SCHEDULED: _("到时间请登录进入视频。先试一试手机。"),
    State.INTERVIEW: _("公证员正在视频里等您。"),
    State.SUSPENDED: _("视频停了一下。请留在原来的页面，会接着办。"),
    State.DRAFTING: _("公证员在写公证书，不用您做什么。"),
    State.APPROVAL: _("另一位公证员在审批，一般 30 分钟。"),
    State.APPROVED: _("批准了，正在盖章。"),
    State.ISSUED: _("公证书办好了，正在送达。"),
    State.DELIVERED: _("公证书已经送到。"),
    State.WITHDRAWN: _("您撤回了申请。想办可以重新申请。"),
    State.REFUSED: _("理由和您可以怎么办，写在下面。"),
    State.TERMINATED: _("这个案子结束了。想办可以重新申请。"),
    State.UNDER_REVIEW: _("公证书正在复查，结果会告诉您。"),
    State.UPHELD: _("复查过了，公证书有效。"),
    State.CORRECTED: _("公证书补正了，请和补正公证书一起用。"),
    State.REVOKED: _("公证书撤销了，不要再用。"),
}

SEXES: dict[str, LazyString] = {"男": _("男"), "女": _("女")}
"""As an identity card has it, and as a page says it."""

DOCUMENTS: dict[str, LazyString] = {
    "cn_id": _("居民身份证"), "passport": _("护照"), "permit_hk_mo": _("港澳居民来往内地通行证"),
    "permit_tw": _("台湾居民来往大陆通行证"), "permit_foreign": _("外国人永久居留身份证"),
}  # fmt: skip
"""Kinds of identity document, `Party.id_type`."""

CARE: dict[str, LazyString] = {
    "elder": _("60 岁以上"),
    "hearing": _("听力不好"),
    "sight": _("视力不好"),
    "reading": _("读字吃力"),
}

EVENTS: dict[str, LazyString] = {
    "case.started": _("开始填申请"),
    "case.read": _("看了案卷"),
    "exhibit.added": _("交了一份材料"),
    "exhibit.withdrawn": _("拿掉一份材料"),
    "exhibit.read": _("看了一份材料"),
    "promise.given": _("承诺后补材料"),
    "promise.taken-back": _("收回承诺"),
    "consent.recipient": _("答复公证书送给谁"),
    "recusal.declared": _("声明要不要回避"),
    "fee.taken": _("收了公证费"),
    "assessment.filed": _("记下人脸影响评估"),
    "identity.asked": _("去核验身份"),
    "identity.answered": _("身份核验有了回答"),
    "identity.answer-read": _("看了身份核验的回执"),
    "interview.moved": _("换了网络，视频没有断"),
    "queue.joined": _("开始排队"),
    "queue.left": _("不排队了"),
    "bank.deadline-set": _("记下银行的期限"),
    "device.checked": _("试了手机"),
    "ending.proposed": _("提请不予办理或终止"),
    "ending.declined": _("没有同意不予办理或终止"),
    "number.reserved": _("取了编号"),
    "number.voided": _("编号作废"),
    "ticket.opened": _("请我们打电话"),
}
"""Lines of the ledger that a case's course shows; a line of an act has the act's words."""


def next_words(state: State) -> str:
    return str(NEXT[state])


def sex_words(sex: str) -> str:
    return str(SEXES.get(sex, ""))


def document_words(kind: str) -> str:
    return str(DOCUMENTS.get(kind, kind))


def care_words(flag: str) -> str:
    return str(CARE.get(flag, flag))


def event_words(kind: str) -> str:
    """What happened, in words; a kind without words is shown by its name."""
    act = kind.removeprefix("case.")
    if kind.startswith("case.") and act in set(Act):
        return act_words(Act(act))
    return str(EVENTS.get(kind, kind))


def state_words(state: State) -> str:
    return str(STATES[state])


def role_words(role: Role) -> str:
    return str(ROLES[role])


def act_words(act: Act) -> str:
    return str(ACTS[act])


def need_words(need: Need) -> str:
    return str(NEEDS[need])
