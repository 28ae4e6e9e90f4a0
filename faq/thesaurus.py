"""Words of this trade that mean one thing, across languages: 卡密, 激活码, cdk and "key" are all a code.

The groups are language, not knowledge of one shop; the longest word wins, so 卡住 (stuck) is no 卡 (card).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

GROUPS = """
code: 卡密 序号 产品密钥 启动码 点数卡 激活码 兑换码 兑奖码 充值码 礼品码 礼包码 秘钥 密钥 密匙 秘匙 序列号
  注册码 授权码 充值卡 点卡 礼品卡 礼卡 券码 串码 卡券 密令 码 卡 卡片 电子卡 数字卡 那串 那一串 一串字符
  一串字母 | code codes key keys cdk cdkey cdkeys serial license licence voucher card cards giftcard
card number: 卡号 | card_number
stuck: 卡住 卡死 卡在 转圈 没反应 没动静 一直转 卡顿 白屏 打不开 加载不出 | stuck frozen freeze hangs
  spinning loading
order: 订单 单子 定单 那单 这单 一单 那笔 这笔 下单 购买记录 订购 | order orders ordered purchase purchases
  purchased transaction
order number: 单号 订单号 编号 流水号 交易号 订单编号 商户单号 | order_number order_id order_no
  reference_number
buy: 买 购买 买的 买了 拍的 拍了 拍下 入手 下的单 | buy bought buying
email: 邮箱 电子信箱 邮件 email 信箱 收件箱 电邮 mail | email emails mail mailbox inbox gmail outlook
  hotmail
spam: 垃圾箱 垃圾邮件 垃圾邮箱 | spam junk
password: 密码 口令 秘码 查询密码 取卡密码 提取码 取件码 | password passwords passcode pwd passphrase
lookup: 查 查询 查看 查单 查找 看看 翻 翻看 找 查下 查一下 找出来 找回 | look_up find check track lookup
  locate search view retrieve
forgot: 忘了 忘记 忘掉 忘 不记得 想不起来 记不住 记不得 没记 没记下 没存 没保存 没记住 没抄 没复制 没截图
  记不清 | forgot forget forgotten cant_remember dont_remember didnt_save didnt_write
lost: 弄丢 丢了 丢失 丢 找不到 找不着 不见了 不见 消失 没影 搞丢 找不见 | lost lose missing disappeared
  vanished cant_find can_not_find cannot_find gone
closed: 关了 关掉 叉掉 关闭 关网页 退出 闪退 退了网页 刷新 关机 关上 划掉 | closed crash crashed refreshed
  shut exited
page: 页面 网页 界面 窗口 浏览器 网站 网址 | page tab window browser site website webpage
where: 哪 哪里 哪儿 在哪 那里 什么地方 何处 哪个位置 入口 菜单 | where location
how: 怎么 怎样 咋 如何 咋整 怎么弄 咋弄 咋办 怎么办 怎办 怎么操作 | how what_to_do what_should_i_do
  what_do_i_do
when: 什么时候 啥时候 几时 何时 几点 多会儿 什么时间 啥时 | when what_time
how long: 多久 多长时间 要多久 几分钟 几天 几个小时 多少时间 多少天 多少小时 几小时 几个工作日 多长 |
  how_long how_many_days how_many_hours how_many_minutes how_soon how_fast
why: 为什么 为啥 凭什么 凭啥 咋回事 怎么回事 什么原因 什么情况 什么意思 原因 理由 啥意思 | why how_come
  reason
how much: 多少钱 什么价 价格 价钱 价位 单价 报价 多少米 咋卖 怎么卖 | how_much price prices cost costs
  pricing quote rate
can i: 能 可以 能不能 可不可以 行不行 支持 允许 能否 可否 | can could may able possible allowed support
  supports
pay: 付款 付钱 支付 付了 付完 付的 交钱 花钱 打款 转账 转钱 转了 缴费 结账 买单 付 | pay paid payment
  payments paying pays checkout
charged: 扣款 扣了 扣钱 钱扣 扣 扣费 划走 扣走 钱没了 钱都 出账 | charged deducted debited money taken_from
  took_my_money
unpaid: 待支付 未支付 未付款 没付款 待付款 等待付款 没付 | unpaid pending not_paid awaiting_payment
  waiting_for_payment
success: 成功 完成 已完成 | success successful successfully completed complete went_through confirmed
pay ways: 支付宝 花呗 微信支付 银行卡 信用卡 云闪付 网银 白条 借呗 支付方式 付款方式 零钱 数字人民币
  京东支付 储蓄卡 话费支付 分期 | paypal alipay wechatpay credit credit_card debit_card visa mastercard
  apple_pay google_pay klarna stripe payment_method payment_methods installments
bank: 银行 | bank
wechat: 微信 公众号 | wechat weixin
crypto: usdt u 泰达币 链 trc20 erc20 bep20 trc erc 比特币 btc eth 虚拟币 加密货币 钱包地址 矿工费 区块 哈希
  txid 转链 主网 币安 交易所 数字货币 打币 | crypto coin coins bitcoin btc eth ethereum usdt tether trc20
  erc20 bep20 chain network wallet hash txid confirmations blockchain tron binance stablecoin
fee: 手续费 服务费 矿工费 | fee fees
twice: 两次 两遍 重复 双倍 两笔 多扣 两回 二次 连着 重复扣 多付 付重 | twice double two_times duplicate
  duplicated duplicates doubled
deliver: 发货 发卡 出卡 出货 给卡 发码 到货 自动发货 给货 给码 交货 下发 发出 | deliver delivery delivered
  delivers ship shipped shipping dispatch send sends
not received: 没收到 没到 收不到 没给 没发 还没到 没到账 未到 没看到 没见到 未收到 不发货 没发货 没出 没来
  没拿到 什么都没有 啥也没 啥都没 没动静 没有收到 未到账 不到账 没有到账 没到手 没东西 空的 不给货 没影 |
  not_received not_receive didnt_receive did_not_receive havent_received never_received never_got didnt_get
  did_not_get havent_got never_arrived not_arrived hasnt_arrived didnt_arrive never_came didnt_come nothing
  not_delivered no_code no_key where_is_my still_waiting empty
received: 收到 到账 到了 拿到 到手 | received receive got arrive arrived get
instant: 秒发 马上 立刻 自动 秒到 立即 实时 及时 | instant instantly immediate immediately automatic
  automatically right_away
wait: 等 等了 等待 排队 等到 干等 苦等 等半天 | wait waiting waited
manual: 代充 人工充值 人工处理 手工 代练 人工发货 手动 人工单 | manual manually by_hand
night: 晚上 半夜 凌晨 夜里 深夜 周末 节假日 过年 春节 国庆 通宵 夜间 放假 周日 周六 | night midnight weekend
  weekends holiday holidays overnight sunday saturday late
stock: 库存 有货 没货 缺货 断货 补货 现货 上架 下架 售罄 抢 秒没 抢不到 卖完 补库存 卖光 无货 到新 上新
  货源不足 预留 留一张 预定 预订 补仓 | stock restock restocked restocking available availability sold_out
  carry inventory in_stock out_of_stock reserve reserved preorder
others: 别人 他人 人家 陌生人 其他人 另一个人 外人 | someone somebody stranger strangers another_person
  other_people someone_else another_account another_user different_user others
short: 少发 少给 只给 只发 少了 缺了 漏发 不够 数量 不齐 没发齐 差一张 差几 少几 漏了 缺 少一 剩下的 没给够
  | short missing only incomplete fewer partial rest remaining
topup: 充值 储值 加值 直充 充 充的 充了 充进 充到 续费 充钱 | topup top_up topped_up topping_up recharge
  recharged refill
game: 游戏 王者 王者荣耀 原神 点券 钻石 皮肤 金币 q币 qb 点数 吃鸡 和平精英 英雄联盟 手游 端游 区服 元宝
  代币 | game games diamonds gems skin skins credits points genshin roblox robux valorant fortnite pubg
member: 会员 vip svip 大会员 订阅 套餐 季卡 月卡 年卡 超级会员 包月 包年 终身 | membership member
  subscription subscriptions premium plan subscribe vip
brand: steam xbox ps psn ps4 ps5 switch 任天堂 eshop netflix 奈飞 spotify 腾讯 qq 爱奇艺 优酷 b站 网易云
  百度网盘 office windows win10 win11 苹果 apple itunes google 谷歌 gpt chatgpt 京东 美团 | steam xbox
  playstation psn ps4 ps5 switch nintendo eshop netflix spotify office windows apple itunes google chatgpt
  youtube
account: 账号 帐号 账户 帐户 号 成品号 小号 id uid 角色 | account accounts uid id username player
login: 登录 登陆 登 登不上 登不了 登进去 上号 进不去 登录不了 登不进 | login log_in logging_in sign_in
  signing_in logged_in logon
otp: 验证码 验证 短信 手机验证 二次验证 两步 短信码 人脸 手机号验证 | verification verify verified otp sms
  2fa two_factor authenticator
banned: 封 停权 永封 封号 被封 冻结 掉了 掉会员 掉订阅 被踢 被收回 回收 掉线 封禁 没了会员 掉 停用 被停 被禁
  禁用 | banned ban suspended suspend revoked revoke blocked block cancelled deactivated kicked terminated
  removed
wrong: 错 填错 输错 打错 写错 错了 弄错 搞错 选错 填写错误 不对 搞混 填成 写成 错误 | wrong mistake mistyped
  incorrect error mistaken mistakenly accidentally accident typo misspelled mixed
invalid: 无效 用不了 不能用 没法用 用不成 不好使 不好用 不管用 失效 作废 废 坏 坏的 坏卡 废卡 死卡 兑换失败
  兑不了 兑换不了 激活不了 激活失败 报错 失败 空卡 假卡 用不起 使不了 不能兑换 不能激活 无法使用 无法兑换
  无法激活 没法兑 没用上 不识别 不认 不顶用 不让用 充不进去 充不了 不能充 | invalid doesnt_work not_working
  isnt_working wont_work not_work didnt_work did_not_work does_not_work cant_redeem cannot_redeem
  unable_to_redeem wont_redeem fails failed broken faulty dead bad defective useless void unusable dont_work
  wont_activate cant_activate cant_use nonworking
used: 已使用 被使用 已被使用 用过 使用过 兑换过 已兑换 被用 被兑 被激活 已激活 被绑定 刷了 被刷 用掉 用了的
  二手 被领 领取过 被人用 已用 被兑走 绑定过 被人兑 | used already_used redeemed already_redeemed
  already_activated claimed taken been_used been_redeemed secondhand
not exist: 不存在 查无 查无此 没有这个 查不到 无此 搜不到 找不到该 未找到 不匹配 | not_exist doesnt_exist
  does_not_exist not_found unknown unrecognized unrecognised no_such not_recognized not_recognised
  not_in_the_system
not active: 未激活 没激活 没开卡 未开卡 未开通 没开通 尚未激活 还没激活 未启用 没启用 没有激活 |
  not_activated not_been_activated wasnt_activated isnt_activated never_activated inactive unactivated
  not_active hasnt_been_activated
expired: 过期 到期 超期 过了有效期 失效期 截止 | expired expire expiry expires expiration out_of_date lapsed
valid: 有效期 有效 保质期 有效时间 能放 放着 留着 囤 放多久 存着 屯 放到 先放 以后再用 期限 使用期限 | valid
  validity keep later store shelf_life hoard save
value: 面值 面额 金额 天数 时长 数额 余额不对 点数不对 额度 | value amount denomination duration balance
  worth
region: 地区 国区 港区 港服 外服 美区 日服 外区 土区 阿区 国服 锁区 跨区 国家 海外 国外 国际服 日区 韩服
  台服 欧服 美服 全球 香港 台湾 大陆 美国 日本 土耳其 阿根廷 区域 地域 外国 国内 定位 ip 东南亚 | region
  regional country countries locked us usa eu turkey turkish europe european asia global argentina uk canada
  abroad worldwide vpn international overseas india brazil japan
version: 版本 标准版 豪华版 家庭版 专业版 基础版 高级版 平台 款式 规格 型号 版 | version edition platform
  type variant standard deluxe ultimate
sent wrong: 发错 给错 发成 货不对板 给我发 错发 发的不是 不是我要的 货不对 描述不符 | wrong_item
  wrong_product wrong_one wrong_game not_what_i_ordered different_product different_item not_the_one instead
mistype: 分不清 空格 大小写 字母 数字0 字母o o和0 i和1 手打 手输 复制 粘贴 看不清 看错 像 | zero letter o
  space spaces copy copied paste pasted uppercase lowercase capital mistype lookalike characters character
batch: 批量 一批 其中 几张 几个 两张 两个 里面有 有的 部分 有几 剩下 其余 个别 一部分 好几个 多张 | some
  batch out_of_several few half others the_rest
replace: 补 补发 换 换新 补一张 补卡 换一个 换货 补给 更换 替换 换张 补码 换码 补的 换的 | replace
  replacement replaced exchange swap substitute new_one another_one
resend: 重发 再发 重新发 发一遍 再发一次 再看一次 补发邮件 发一份 转发 再来一遍 重新看 | resend send_again
  send_it_again send_me_again forward again resent one_more_time
again: 又 还是 再 重新 再次 依然 仍然 照样 第二次 | again still another second
evidence: 截图 萤幕截图 屏幕截图 图片 录屏 证据 凭证 视频 照片 拍照 录像 图 录制 证明 材料 | screenshot
  screenshots proof evidence video recording photo picture record prove
official: 官方 官方客服 厂商 平台客服 发行商 官网 原厂 苹果客服 运营商 | official publisher issuer
  manufacturer microsoft sony official_support developer
guide: 教程 使用方法 步骤 说明 怎么用 使用说明 用法 怎么使用 流程 图文 操作方法 咋用 怎么兑换 怎么激活
  兑换方法 新手 小白 第一次用 咋兑 怎么兑 | tutorial guide instructions instruction steps how_to_use
  how_do_i_use how_to_redeem how_do_i_redeem walk_me_through manual
enter: 输入 填 填写 输 粘贴到 兑换 激活 兑 填到 | enter type redeem activate input apply
format: 横杠 横线 杠 前面 后面 格式 几位 四段 分隔 竖线 符号 横扛 两行 两串 两段 哪一段 哪段 前半 后半 冒号
  | dash dashes hyphen format part parts digits segment separator line colon slash
device: 设备 装置 笔电 桌机 电脑 手机 平板 台 换机 台式 笔记本 几台 几个设备 多台 ipad 电视 重装 系统 主板
  硬件 机器 | device devices computer pc phone tablet laptop machine desktop mac tv reinstall hardware
bind: 绑定 解绑 换绑 绑 | bind unbind bound link unlink unlinked deactivate transfer move
other device: 换浏览器 换手机 另一台 换电脑 缓存 清缓存 换设备 无痕 手机上买 cookie 清了 换台 另外一个手机 |
  cookie cookies cache cleared incognito other_device another_device different_device another_browser
  different_browser other_computer
stack: 叠加 累加 延长 顺延 续上 累计 加时 续期 叠 合并 往后延 加起来 | stack stacking stackable extend
  extends combine cumulative renew add_up adds accumulate
gift: 送人 送给 送朋友 代买 帮别人买 礼物 转赠 帮朋友 给朋友 送 给别人 转送 给女朋友 给我妈 给老婆 替 替别人
  转给 生日 | gift gifted gifting friend friends give present girlfriend boyfriend wife husband mom dad
  on_behalf for_someone birthday
refund: 退款 退费 退钱 退 退货 退回 返还 退我 还我钱 退掉 退还 退单 把钱还 钱退 | refund refunds refunded
  refundable money_back return returned reimburse
original way: 原路 余额 退到 退回哪 原账户 原渠道 退哪 | original store_credit same_card back_to
mind: 买错 拍错 拍多 不想要 不要了 反悔 后悔 多拍 买多 手滑 手抖 点错 误买 误拍 下错 买重 不小心 没看清
  点多了 拍错了 买岔 | by_mistake changed_my_mind change_my_mind dont_want too_many dont_need no_longer_need
  wrong_one clicked_wrong regret accidentally misclick my_fault meant_to
cancel: 取消 撤销 撤回 追回 中止 作废订单 | cancel cancelled cancellation undo stop reverse void
warranty: 质保 保固 保修 售后 包售后 保多久 包换 保障 质量问题 保用 管多久 包多久 售后期 质保期 保 保证 |
  warranty guarantee guaranteed cover covered coverage after_sales
over time: 超时 过了 刚过 超过 晚了一天 超了 逾期 拖 过点 延误 耽误 耽搁 迟 | past late overdue delayed
  missed exceeded
reject: 拒绝 退件 驳回 不给补 不补 不通过 被拒 不予 不给退 不退 不给换 拒 不承认 不受理 打回 不认账 没通过
  不给处理 | rejected reject refuse refused denied deny declined turned_down disapproved not_approved
compensate: 赔 赔偿 补偿 假一赔三 赔付 损失 赔钱 弥补 精神损失 三倍 十倍 耽误我 | compensation compensate
  damages damage make_up_for loss losses triple apology
price drop: 降价 便宜了 差价 跌价 打折了 保价 价保 便宜 又降 降了 补差 价差 | cheaper difference price_drop
  price_dropped lower_price price_match dropped reduced
coupon: 优惠码 优惠券 折扣 打折 满减 代金券 活动 促销 红包 优惠 券 折扣码 新人 首单 积分 抵扣 立减 | coupon
  coupons discount discounts promo promotion promotional sale promo_code deal deals bonus cashback
bulk: 批发 拿货 代理 代理价 大量 多买 量大 起批 进货 大客户 长期拿 批量价 一百张 拿100 走量 分销 加盟 渠道商
  | wholesale bulk reseller resellers resell distributor volume large quantity large_order
api: api 接口 对接 文档 回调 sdk 程序 自动下单 开发文档 同步库存 代码 串货 | api apis integrate integration
  documentation docs webhook endpoint callback developer sandbox automate
ticket: 工单 售后单 投诉单 提交 申请 反馈 报修 登记 申诉 申报 建单 | ticket tickets case complaint submit
  file request report raise claim form
progress: 进度 进展 处理得怎么样 到哪了 结果 状态 处理了吗 处理到 到哪一步 审核 怎么样了 有消息 有结果 下文
  后续 | status progress update updates any_news followup follow resolved looked_at
promise: 24小时 二十四小时 承诺 说好 答应 保证过 一天内 说是 答复 约定 说过 | 24_hours 24h 24_hour promised
  promise you_said within_a_day hours guaranteed told
hurry: 催 催单 快点 抓紧 加急 赶紧 急用 催一下 尽快 | hurry faster speed_up expedite rush asap priority
  urgent
human: 人工 真人 活人 人工客服 转人工 接线员 机器人 专员 人来 大活人 来个人 智障 机器 自动回复 找人 值班 |
  human agent person real_person representative robot bot operator staff someone chatbot manager supervisor
support: 客服 客服人员 卖方 店主 老板 卖家 商家 售后人员 你们家 | support customer_service seller service
  vendor
complain: 投诉 12315 举报 消协 报警 起诉 律师 曝光 工商 法院 110 黑猫 仲裁 维权 告你 报案 法律 市场监管 315
  | dispute chargeback report police lawyer sue court legal authorities consumer attorney complain
scam: 骗子 骗 诈骗 骗人 跑路 假网站 忽悠 黑店 坑人 坑 上当 骗钱 割韭菜 钓鱼 仿冒 冒牌 山寨 套路 | scam
  scammer scammers scammed fraud fake thief thieves cheat cheated ripoff stole phishing crook
trust: 靠谱 正规 可信 信得过 放心 真的假的 营业执照 资质 可靠 安全 口碑 信誉 保真 正品 | legit legitimate
  trust trustworthy reliable safe genuine authentic real reputable licence business_license registered
ignored: 不理 不回 没人回 没人理 已读不回 装死 不搭理 不吭声 没回应 没人 不说话 人呢 失联 消失 拉黑 没回复
  不回复 无人 联系不上 找不到人 | no_reply no_response no_answer nobody_answers nobody ignore ignored
  ignoring silence silent unanswered no_one respond responds responding reply not_replying ghosted blocked
hours: 上班 下班 营业 工作时间 几点上班 在线时间 营业时间 上班时间 值班时间 全天 24小时在线 | hours opening
  open working_hours business_hours close online weekdays
contact: 电话 联系方式 微信号 加微信 手机号 热线 qq号 加qq 联系 telegram 飞机 电报 群 | phone telephone call
  contact hotline whatsapp telegram discord number live_chat
review: 好评 差评 评价 打分 五星 评分 点评 表扬 夸 点赞 评论 留言 打星 | review reviews feedback rating rate
  stars star testimonial praise
source: 来源 渠道 哪来的 正规渠道 黑卡 盗刷 授权 进货渠道 从哪来 货源 哪里来 来路 官方货 一手 洗钱 | source
  sources origin come_from authorised authorized obtained supplier suppliers stolen obtain
leak: 泄露 看到了 偷看 盗查 被看 泄漏 曝光 被盗 泄密 外泄 发群里 发朋友圈 偷 盗 黑客 | leaked leak saw seen
  exposed stolen hacked steal compromised shared posted
impostor: 冒充 假客服 私聊 加我 让我发 要我发 加好友 远程 屏幕共享 保证金 刷流水 刷单 自称 陌生号码 |
  impersonate pretend pretending impersonating claims asked_me_to asking_for asks_for remote anydesk
  teamviewer deposit dm dms
delete: 删除 注销 清除 个人信息 隐私 删掉 抹掉 信息删 数据 退订 销毁 资料 别再发 | delete deletion remove
  erase data privacy gdpr personal unsubscribe close_my_account marketing
minor: 小孩 孩子 未成年 儿子 女儿 小朋友 娃 弟弟 熊孩子 妹妹 小学生 家长 监护 学生 闺女 岁 | kid kids child
  children son daughter minor underage teenager nephew niece parent guardian brother sister years_old
elsewhere: 别的网站 其他店 别家 淘宝 拼多多 闲鱼 其他平台 别处 别的店 其他网站 别的平台 另一家 不是在你 隔壁
  朋友给 转卖 | elsewhere another_site other_site another_shop different_shop different_site other_shop
  another_website another_store ebay amazon g2a third_party
invoice: 发票 统编 收据 报销 开票 税号 抬头 专票 普票 公司抬头 电子票 小票 | invoice invoices receipt
  receipts vat tax reimbursement company billing
old: 去年 以前 几个月前 很久 之前 上个月 前年 老订单 半年 三个月 早前 历史 多年 好久 年前 | old last_year
  months_ago long_ago years_ago history past previous older ago last_month
not: 没 没有 不 无 别 未 甭 | not no dont doesnt didnt isnt wasnt wont cant cannot never havent hasnt arent
  without unable
today: 今天 刚才 刚 刚刚 现在 昨天 昨晚 早上 | today just now yesterday last_night tonight
change: 改 修改 更改 变更 更正 换成 | change modify edit correct update fix
timeout: 超时未 支付超时 过时 订单过期 倒计时 自动关闭 订单关闭 已关闭 交易关闭 失效订单 | timed_out timeout
  time_out order_expired countdown automatically_closed
upset: 生气 烦 烦死 气死 无语 恶心 坑爹 什么玩意 忍不了 受不了 火大 离谱 过分 | angry annoyed furious
  ridiculous unacceptable pissed upset disgusting terrible worst awful horrible
quantity: 一张 一个 多少张 几份 数量 份 张 | quantity count how_many
reserve hold: 留 预留 留着给 留一 留两 先留 | hold set_aside
notify: 通知 提醒 到货提醒 告知 | notify notification alert remind
upgrade: 升级 换套餐 升 | upgrade downgrade switch
not want robot: 别机器人 不要机器人 不想跟机器人 | stop_the_bot not_a_bot no_bots
"""

_pieces = re.compile("[a-z0-9]+|[^a-z0-9 ]+| +")


@dataclass(frozen=True)
class _Lexicon:
    groups: dict[str, tuple[str, ...]]  # word → the groups it belongs to
    siblings: dict[str, tuple[str, ...]]  # word → the words of its first group, in its script
    han: int  # characters of the longest Han word
    latin: int  # words of the longest Latin phrase


@lru_cache(maxsize=1)
def _lexicon() -> _Lexicon:
    groups: dict[str, list[str]] = {}
    siblings: dict[str, tuple[str, ...]] = {}
    for line in GROUPS.replace("\n  ", " ").strip().splitlines():
        name, _, both = line.partition(": ")
        for words in both.split(" | "):
            listed = tuple(word.replace("_", " ") for word in words.split())
            for word in listed:
                groups.setdefault(word, []).append(name)
                siblings.setdefault(word, listed)
    han = max(len(word) for word in groups if not word.isascii())
    return _Lexicon(
        {word: tuple(names) for word, names in groups.items()}, siblings, han, max(len(word.split()) for word in groups)
    )


def _cut(plain: str) -> Iterator[str]:
    """A normalised text in words: the longest known ones, single characters and Latin words between them."""
    lexicon = _lexicon()
    pieces = [part for piece in _pieces.findall(plain) for part in ([piece] if piece[0].isascii() else piece)]
    place = 0
    while place < len(pieces):
        longest = 2 * lexicon.latin if pieces[place].isascii() else lexicon.han
        for size in range(min(longest, len(pieces) - place), 1, -1):
            if (word := "".join(pieces[place : place + size])) in lexicon.groups:
                yield word
                place += size
                break
        else:
            yield pieces[place]
            place += 1


def concepts(plain: str) -> list[str]:
    """The groups that a normalised text speaks of, in order; a word that belongs to none says nothing."""
    groups = _lexicon().groups
    return [name for word in _cut(plain) for name in groups.get(word, ())]


def linked_concepts(plain: str) -> list[str]:
    """The concepts of a text and every pair of them: a refund that never arrived is neither refund nor arrival."""
    found = concepts(plain)
    kinds = sorted(set(found))
    return found + [f"{one}+{other}" for place, one in enumerate(kinds) for other in kinds[place + 1 :]]


def split(plain: str) -> list[tuple[str, tuple[str, ...]]]:
    """The words of a normalised text, spaces among them, each with the words that mean the same in its script."""
    siblings = _lexicon().siblings
    return [(word, siblings.get(word, ())) for word in _cut(plain)]
